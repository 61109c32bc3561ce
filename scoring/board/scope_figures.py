"""Compute means over windows per model and scope, directly from scores."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from competitions.contract import CrunchConfig
from competitions.models import Competition
from competitions.models.rounds import RESOLVED_IN
from core.grid import Period
from core.rounding import rounded
from scoring.models import CURRENT_SCORE


@dataclass(frozen=True)
class ScopeFigures:
    """A model's figures in one scope; `scope` is that of its newest round."""

    model: int
    scope_key: str
    scope: dict[str, Any]
    performed_at: datetime
    metrics: dict[str, float | None]


def scope_figures(
    *,
    competition: Competition,
    config: CrunchConfig,
    models: list[int],
    period: Period,
) -> list[ScopeFigures]:
    """Return means over each window that ends with the period, of its resolved rounds.

    One statement; models without a successful score in a scope have no row there.
    """
    windows = config.aggregation.windows
    means = ", ".join(
        "avg(score.value) FILTER (WHERE round.resolved_at >= %s)" for _ in windows
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT prediction.model_id, round.scope_key,
                (array_agg(round.scope_jsonb ORDER BY round.id DESC))[1]::text,
                max(round.performed_at), {means}
            FROM inputs AS round
            JOIN predictions AS prediction ON prediction.input_id = round.id
            JOIN scores AS score ON score.prediction_id = prediction.id
                AND score.success AND {CURRENT_SCORE}
            WHERE {RESOLVED_IN}
                AND prediction.model_id = ANY(%s)
            GROUP BY prediction.model_id, round.scope_key
            ORDER BY prediction.model_id, round.scope_key
            """,
            [
                *(
                    period.end - timedelta(hours=window.hours)
                    for window in windows.values()
                ),
                *(competition.pk, period.start, period.end, models),
            ],
        )
        rows = cursor.fetchall()
    return [
        ScopeFigures(
            model=model,
            scope_key=scope_key,
            scope=json.loads(scope),
            performed_at=performed_at,
            metrics={
                name: None if mean is None else rounded(mean)
                for name, mean in zip(windows, values, strict=True)
            },
        )
        for model, scope_key, scope, performed_at, *values in rows
    ]
