"""Snapshots: what each model did in an aligned period, rebuilt from stored scores.

A score belongs to the period that holds the instant at which its round was resolved.
The open period is rebuilt by each cycle; once its end has passed it is rebuilt a last
time and closed. The same scores always give the same content hash.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from django.db import connection

from competitions.contract import CrunchConfig
from competitions.models import Competition, Prediction
from competitions.slots import Wiring
from scoring.columns import read_columns
from scoring.metrics import MetricsContext, default_registry
from scoring.models import Snapshot
from scoring.periods import EPOCH

registry = default_registry()

# Enough for any decision, few enough that the order of a sum does not show.
_DIGITS = 12

_ROUNDS = """
    SELECT id, extract(epoch FROM performed_at)::float8,
        scheduled_prediction_id,
        CASE WHEN jsonb_typeof(actuals_jsonb -> 'actual_return') = 'number'
            THEN (actuals_jsonb ->> 'actual_return')::float8 ELSE 'NaN' END
    FROM inputs
    WHERE competition_id = %s AND status = 'RESOLVED'
        AND resolved_at >= %s AND resolved_at < %s
    ORDER BY performed_at, id
"""
_FIELD = """,
        CASE WHEN score.success AND jsonb_typeof(score.result_jsonb -> %s) = 'number'
            THEN (score.result_jsonb ->> %s)::float8 ELSE 'NaN' END
"""
_CELLS = """
    SELECT prediction.input_id, prediction.model_id,
        CASE WHEN prediction.outcome = %s
            AND jsonb_typeof(prediction.inference_output_jsonb -> %s) = 'number'
            THEN (prediction.inference_output_jsonb ->> %s)::float8 ELSE 'NaN' END,
        CASE WHEN score.success THEN score.value ELSE 'NaN' END
        {fields}
    FROM inputs AS round
    JOIN predictions AS prediction ON prediction.input_id = round.id
    LEFT JOIN scores AS score
        ON score.prediction_id = prediction.id AND score.scoring_version = %s
    WHERE round.competition_id = %s AND round.status = 'RESOLVED'
        AND round.resolved_at >= %s AND round.resolved_at < %s
"""


@dataclass(frozen=True)
class Period:
    """A half-open stretch of site time `[start, end)`."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class Scores:
    """All predictions of a period's resolved rounds, as matrices (rounds, models)."""

    model_ids: np.ndarray
    asked: np.ndarray
    signals: np.ndarray
    scores: np.ndarray
    actuals: np.ndarray
    scopes: np.ndarray
    fields: dict[str, np.ndarray]


def refresh(*, competition: Competition, wiring: Wiring, now: datetime) -> None:
    """Rebuild the snapshots of every period that is not closed yet.

    The caller holds the competition's lock (`scoring.locks.own`). Statements per open
    period are constant, and there is rarely more than one such period.
    """
    rows = []
    for period in open_periods(competition):
        built = build(competition=competition, wiring=wiring, period=period)
        for snapshot in built:
            snapshot.is_closed = period.end <= now
            snapshot.created_at = snapshot.updated_at = now
        rows += built
    if rows:
        Snapshot.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["model", "period_start", "period_end"],
            update_fields=[
                *("prediction_count", "expected_count", "value", "result_summary"),
                *("content_hash", "is_closed", "updated_at"),
            ],
        )
    # Left over when a round was voided or the period length changed.
    Snapshot.objects.filter(
        model__competition=competition, is_closed=False, updated_at__lt=now
    ).delete()


def open_periods(competition: Competition) -> list[Period]:
    """Periods after the last closed one that have a resolved round, oldest first."""
    closed_end = last_closed_end(competition)
    length = timedelta(seconds=competition.snapshot_period_s)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT floor(extract(epoch FROM resolved_at) / %s)::bigint "
            "FROM inputs WHERE competition_id = %s AND status = 'RESOLVED' "
            "AND resolved_at >= %s ORDER BY 1",
            [competition.snapshot_period_s, competition.pk, closed_end or EPOCH],
        )
        numbers = [number for (number,) in cursor.fetchall()]
    return [
        Period(
            start=max(EPOCH + n * length, closed_end or EPOCH),
            end=EPOCH + (n + 1) * length,
        )
        for n in numbers
    ]


def last_closed_end(competition: Competition) -> datetime | None:
    """Where the closed part of a competition's history ends."""
    # The newest by the index on period_end, not max() over all of history.
    return (
        Snapshot.objects.filter(model__competition=competition, is_closed=True)
        .order_by("-period_end")
        .values_list("period_end", flat=True)
        .first()
    )


def build(
    *, competition: Competition, wiring: Wiring, period: Period
) -> list[Snapshot]:
    """The period's snapshots as they follow from the stored scores; writes nothing."""
    found = read_scores(competition=competition, wiring=wiring, period=period)
    names = _model_names(competition)
    counts = (~np.isnan(found.scores)).sum(axis=0)
    expected = found.asked.sum(axis=0)
    context = MetricsContext(
        model_ids=tuple(names[pk] for pk in found.model_ids),
        signals=found.signals,
        scores=found.scores,
        actuals=found.actuals,
        scopes=found.scopes,
        window_start=period.start,
        window_end=period.end,
    )
    value_field = wiring.config.aggregation.value_field
    columns = {
        value_field: _means(found.scores),
        **{name: _means(values) for name, values in found.fields.items()},
        **registry.compute(wiring.config.metrics, context),
    }
    snapshots = []
    for i, model_id in enumerate(context.model_ids):
        summary = {name: rounded(column[i]) for name, column in columns.items()}
        snapshot = Snapshot(
            model_id=int(found.model_ids[i]),
            period_start=period.start,
            period_end=period.end,
            prediction_count=int(counts[i]),
            expected_count=int(expected[i]),
            value=summary[value_field],
            result_summary=summary,
        )
        snapshot.content_hash = content_hash(snapshot, model_id)
        snapshots.append(snapshot)
    return snapshots


def read_scores(*, competition: Competition, wiring: Wiring, period: Period) -> Scores:
    """Read a period's resolved rounds and their predictions in two statements."""
    span = [competition.pk, period.start, period.end]
    signal = signal_field(wiring.config)
    fields = score_fields(wiring.config)
    with connection.cursor() as cursor:
        rounds = read_columns(
            cursor, _ROUNDS, span, id=int, performed_at=float, scope=int, actual=float
        )
        cells = read_columns(
            cursor,
            _CELLS.format(fields=_FIELD * len(fields)),
            [
                *(Prediction.Outcome.ANSWERED, signal, signal),
                *(name for name in fields for _ in range(2)),
                *(1, *span),
            ],
            round=int,
            model=int,
            signal=float,
            score=float,
            **dict.fromkeys(fields, float),
        )
    model_ids, column = np.unique(cells["model"], return_inverse=True)
    by_id = np.argsort(rounds["id"])
    row = by_id[np.searchsorted(rounds["id"], cells["round"], sorter=by_id)]

    def matrix(values: np.ndarray | bool, empty: float | bool) -> np.ndarray:
        cellular = np.full((len(rounds["id"]), len(model_ids)), empty)
        cellular[row, column] = values
        return cellular

    return Scores(
        model_ids=model_ids,
        asked=matrix(values=True, empty=False),
        signals=matrix(cells["signal"], np.nan),
        scores=matrix(cells["score"], np.nan),
        actuals=rounds["actual"],
        scopes=rounds["scope"],
        fields={name: matrix(cells[name], np.nan) for name in fields},
    )


def score_fields(config: CrunchConfig) -> list[str]:
    """Numbers that the score type declares beside the value field."""
    numeric = {float, int, float | None, int | None}
    return [
        name
        for name, field in config.score_type.model_fields.items()
        if field.annotation in numeric and name != config.aggregation.value_field
    ]


def summary_fields(config: CrunchConfig) -> list[str]:
    """What a snapshot sums up: the value field, other numbers of a score, metrics."""
    return [
        config.aggregation.value_field,
        *score_fields(config),
        *config.metrics,
    ]


def signal_field(config: CrunchConfig) -> str:
    """The output's number that the metrics look at: `value`, else the first number."""
    fields = config.output_type.model_fields
    if "value" in fields:
        return "value"
    numeric = (
        name for name, field in fields.items() if field.annotation in (float, int)
    )
    return next(numeric, "value")


def content_hash(snapshot: Snapshot, model_id: str) -> str:
    """SHA-256 of the snapshot's canonical JSON: sorted keys, no spaces, UTC with Z."""
    content = {
        "model_id": model_id,
        "period_start": _iso(snapshot.period_start),
        "period_end": _iso(snapshot.period_end),
        "prediction_count": snapshot.prediction_count,
        "result_summary": snapshot.result_summary,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _means(matrix: np.ndarray) -> np.ndarray:
    """Mean per column over what is known; NaN where nothing is."""
    counts = (~np.isnan(matrix)).sum(axis=0)
    means = np.full(counts.shape, np.nan)
    return np.divide(np.nansum(matrix, axis=0), counts, out=means, where=counts > 0)


def rounded(value: float) -> float | None:
    """A stored figure: NULL when unknown, else rounded to the digits that are kept."""
    return None if np.isnan(value) else float(f"{value:.{_DIGITS}g}")


def _model_names(competition: Competition) -> dict[int, str]:
    return dict(competition.models.values_list("pk", "model_id"))
