"""Write scores, append-only, by COPY."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max

from competitions.models import Competition
from core import clock
from core.copy import copy_rows
from scoring.models import Rescoring, Score
from scoring.scores.scorer import NewScore

FIRST_VERSION = 1


def current_version(competition: Competition) -> int:
    """Return the version of new scores: 1, or that of the last rescoring."""
    newest = Rescoring.objects.filter(competition=competition).aggregate(
        version=Max("scoring_version")
    )
    return newest["version"] or FIRST_VERSION


def begin_version(*, competition: Competition, reason: str, author: str) -> int | None:
    """Begin a new version for future scores; None when there are no scores yet.

    Called when the scorer changes: earlier scores stay as they are.
    """
    has_scores = Score.objects.filter(prediction__round__competition=competition)
    if not has_scores.exists() or competition.activated_at is None:
        return None
    now, version = clock.now(), current_version(competition) + 1
    Rescoring.objects.create(
        competition=competition,
        scoring_version=version,
        period_start=now,
        period_end=now + timedelta.resolution,  # earlier rounds are not scored again
        reason=reason,
        author=author,
        created_at=now,
    )
    return version


def copy_scores(
    cursor: Any, rows: Iterable[tuple[int, int, int, NewScore, datetime | None]]
) -> None:
    """Append scores: (prediction's key, model's, scoring version, score, scored at)."""
    copy_rows(
        cursor,
        Score._meta.db_table,  # noqa: SLF001  documented API
        (
            *("prediction_id", "model_id", "scoring_version", "value", "success"),
            *("failed_reason", "result_jsonb", "scored_at"),
        ),
        (
            (
                *(prediction, model, version, score.value, score.success),
                *(score.failed_reason, score.result, scored_at),
            )
            for prediction, model, version, score, scored_at in rows
        ),
    )
