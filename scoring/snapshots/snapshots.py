"""Snapshots: what each model did in an aligned period, rebuilt from stored scores.

A score belongs to the period that holds the instant at which its round was resolved.
The open period is rebuilt by each cycle; once its end has passed it is rebuilt a last
time and closed. The same scores always give the same content hash.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import structlog
from django.db import connection

from competitions.callables.door import CallableError, Door
from competitions.callables.slot_answers import json_object
from competitions.contract import CrunchConfig
from competitions.models import Competition
from competitions.models.rounds import RESOLVED_IN
from competitions.slots import Wiring
from core.clock import iso_z
from core.columns import LARGEST
from core.grid import EPOCH, NEVER, Period
from core.texts import brief
from scoring.metrics import Ensemble, MetricsContext, default_registry
from scoring.metrics.parts import WIDTH, all_parts
from scoring.models import Score, Snapshot
from scoring.scores.store import current_version
from scoring.snapshots import ensembles
from scoring.snapshots.matrices import (
    Scores,
    read_extras,
    read_scores,
    score_fields,
)

log = structlog.get_logger(__name__)
registry = default_registry()

# Metrics that compare a model with the others say nothing of an ensemble of them.
COMPARING = ("model_correlation", "fnc", "contribution", "ensemble_correlation")

# Enough for any decision, few enough that the order of a sum does not show.
_FORMAT = "%.12g"


def rehearse(*, competition: Competition, wiring: Wiring, door: Door) -> None:
    """Ask the operator's callables what `refresh` will need, without a lock.

    Of rounds that are resolved in between they say nothing: the next cycle asks again.
    """
    if has_own_callables(wiring.config):
        for period in open_periods(competition):
            build(competition=competition, wiring=wiring, period=period, door=door)


def has_own_callables(config: CrunchConfig) -> bool:
    """Whether summing up a period calls code of the operator's."""
    return (
        config.aggregate_snapshot is not None
        or any(":" in name for name in config.metrics)
        or any(ensembles.is_own(each) for each in config.ensembles if each.enabled)
    )


def refresh(
    *, competition: Competition, wiring: Wiring, now: datetime, door: Door
) -> None:
    """Rebuild the snapshots of every period that is not closed yet.

    The caller holds the competition's lock (`scoring.locks.own`). Statements per open
    period are constant, and there is rarely more than one such period.
    """
    rows = []
    version = current_version(competition)
    for period in open_periods(competition):
        ensembles.fill(
            competition=competition,
            wiring=wiring,
            period=period,
            version=version,
            door=door,
        )
        built = build(competition=competition, wiring=wiring, period=period, door=door)
        for snapshot in built:
            snapshot.is_closed = period.end <= now
            snapshot.created_at = snapshot.updated_at = now
        rows += built
    if rows:
        Snapshot.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["model", "period_start", "period_end", "revision"],
            update_fields=[
                *("prediction_count", "expected_count", "value", "result_summary"),
                *("parts", "content_hash", "is_closed", "updated_at"),
            ],
        )
    # Left over when a round was voided or the period length changed.
    Snapshot.objects.filter(model__competition=competition, is_closed=False).exclude(
        pk__in=[row.pk for row in rows]
    ).delete()


def revise(
    *,
    competition: Competition,
    wiring: Wiring,
    period: Period,
    now: datetime,
    door: Door,
) -> None:
    """Replace a closed period's snapshots by new revisions; the old ones are kept.

    The caller holds the competition's lock.
    """
    old = Snapshot.objects.current().filter(
        model__competition=competition,
        period_start=period.start,
        period_end=period.end,
    )
    revision = 1 + max(old.values_list("revision", flat=True), default=-1)
    old.update(superseded_at=now)
    rows = build(competition=competition, wiring=wiring, period=period, door=door)
    for snapshot in rows:
        snapshot.revision, snapshot.is_closed = revision, True
        snapshot.created_at = snapshot.updated_at = now
    Snapshot.objects.bulk_create(rows)


def open_periods(competition: Competition) -> list[Period]:
    """Periods after the last closed one that have a resolved round, oldest first."""
    closed_end = last_closed_end(competition)
    length = timedelta(seconds=competition.snapshot_period_s)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT floor(extract(epoch FROM resolved_at) / %s)::bigint "
            f"FROM inputs AS round WHERE {RESOLVED_IN} ORDER BY 1",
            [
                *(competition.snapshot_period_s, competition.pk),
                *(closed_end or EPOCH, NEVER),
            ],
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
    *,
    competition: Competition,
    wiring: Wiring,
    period: Period,
    door: Door | None = None,
) -> list[Snapshot]:
    """The period's snapshots as they follow from the stored scores; writes nothing."""
    door = door or Door(competition)
    found = read_scores(competition=competition, wiring=wiring, period=period)
    names = _model_names(competition)
    counts = (~np.isnan(found.scores)).sum(axis=0)
    expected = found.asked.sum(axis=0)
    value_field = wiring.config.aggregation.value_field
    metrics, parts = _metrics(competition, wiring, period, found, door)
    columns = {
        value_field: _means(found.scores),
        **{name: _means(values) for name, values in found.fields.items()},
        **metrics,
    }
    extras = read_extras(competition=competition, wiring=wiring, period=period)
    own = _own_summaries(competition, wiring, period, door)
    snapshots = []
    for i, model_pk in enumerate(found.model_ids.tolist()):
        summary = {
            **{name: rounded(x) for name, x in extras.get(model_pk, {}).items()},
            **{name: rounded(column[i]) for name, column in columns.items()},
            **own.get(model_pk, {}),
        }
        snapshot = Snapshot(
            model_id=model_pk,
            period_start=period.start,
            period_end=period.end,
            prediction_count=int(counts[i]),
            expected_count=int(expected[i]),
            value=summary[value_field],
            result_summary=summary,
            parts=parts[i].tolist(),
        )
        snapshot.content_hash = content_hash(snapshot, names[model_pk])
        snapshots.append(snapshot)
    return snapshots


def _own_summaries(
    competition: Competition, wiring: Wiring, period: Period, door: Door
) -> dict[int, dict[str, Any]]:
    """What the contract's `aggregate_snapshot` makes of each model's score results.

    It gets the successful results of the period, oldest first. Its figures win over the
    engine's of the same name; a model for which it raises, or gives no JSON object, has
    the engine's alone, and so have all while it hangs.
    """
    aggregate = wiring.config.aggregate_snapshot
    if aggregate is None:
        return {}
    name = "aggregate_snapshot"
    results: dict[int, list[dict[str, Any]]] = defaultdict(list)
    rows: Any = (
        Score.objects.resolved_in(competition, period)
        .order_by("prediction_id")
        .values_list("prediction__model", "success", "result")
    )
    for model, success, result in rows:
        if success:
            results[model].append(result)
    failures: list[Exception] = []

    def summaries() -> dict[int, dict[str, Any]]:
        found = {}
        for model, mine in results.items():
            try:
                found[model] = _checked_summary(aggregate(mine), wiring.config)
            except Exception as error:  # noqa: BLE001  an operator's callable may raise anything
                failures.append(error)
        return found

    try:
        found: dict[int, dict[str, Any]] = door.call(
            name, f"contract:{name}", summaries, key=period.start
        )
    except CallableError:
        return {}
    if failures:
        door.fail(name, f"contract:{name}", failures[0])
    return found


def _checked_summary(summary: Any, config: CrunchConfig) -> dict[str, Any]:
    """A JSON object whose value, where it has one, is a number or NULL."""
    found = json_object(summary, "the summary")
    field = config.aggregation.value_field
    value = found.get(field)
    if value is not None and not _is_number(value):
        raise TypeError(f"{field} was {brief(value)}; it is a number or None")
    return {
        name: rounded(value) if _is_number(value) else value
        for name, value in found.items()
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _metrics(
    competition: Competition,
    wiring: Wiring,
    period: Period,
    found: Scores,
    door: Door,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The contract's metrics, a column each, and the parts of those that have some.

    Real models are compared with each other and with the ensembles; an ensemble gets
    only what can be said of it alone.
    """
    config = wiring.config
    blends = ensembles.blends(
        competition=competition, wiring=wiring, period=period, found=found, door=door
    )
    virtual = set(
        competition.models.filter(is_virtual=True).values_list("pk", flat=True)
    )
    is_virtual = np.array([pk in virtual for pk in found.model_ids.tolist()], bool)

    def context(side: np.ndarray) -> MetricsContext:
        return MetricsContext(
            model_ids=tuple(str(pk) for pk in found.model_ids[side]),
            signals=found.signals[:, side],
            scores=found.scores[:, side],
            actuals=found.actuals,
            scopes=found.scopes,
            window_start=period.start,
            window_end=period.end,
            ensembles=tuple(
                Ensemble(
                    name=blend.name,
                    signals=ensembles.signal(blend.weights, found.signals),
                    weights=blend.weights[side],
                )
                for blend in blends
            ),
        )

    columns = {
        name: np.full(len(found.model_ids), np.nan)
        for name in dict.fromkeys(config.metrics)
    }
    parts = np.zeros((len(found.model_ids), WIDTH))
    alone = [name for name in config.metrics if name not in COMPARING]
    for side, names in ((~is_virtual, config.metrics), (is_virtual, alone)):
        if side.any():
            of_side = context(side)
            engines = [name for name in names if ":" not in name]
            for name, column in registry.compute(engines, of_side).items():
                columns[name][side] = column
            for name in set(names) - set(engines):
                key = (period.start, names is alone)
                columns[name][side] = _own_metric(name, of_side, door, key)
            parts[side] = all_parts(names, of_side)
    return columns, parts


def _own_metric(
    name: str, context: MetricsContext, door: Door, key: Hashable
) -> np.ndarray:
    """A column of the operator's metric; unknown for all while it fails."""

    def checked(column: Any) -> dict[str, float]:
        values = np.asarray(column, dtype=float)
        if values.shape != (len(context.model_ids),):
            raise ValueError(
                f"its answer has the shape {values.shape}; one number for each of "
                f"{len(context.model_ids)} models is needed"
            )
        known = np.where(np.isfinite(values), values, np.nan)
        return dict(zip(context.model_ids, known.tolist(), strict=True))

    try:
        values = door.call(
            f"metric {name}",
            name,
            lambda: registry.get(name)(context.signals, context.scores, context),
            check=checked,
            key=key,
        )
    except CallableError:
        return np.full(len(context.model_ids), np.nan)
    return np.array([values.get(model_id, np.nan) for model_id in context.model_ids])


def summary_fields(config: CrunchConfig) -> list[str]:
    """What a board shows of snapshots: value, other numbers of a score, metrics.

    And the ranking's figure, which may be one that `aggregate_snapshot` gives.
    """
    aggregation = config.aggregation
    fields = [aggregation.value_field, *score_fields(config), *config.metrics]
    if aggregation.ranking_key not in {*aggregation.windows, *fields}:
        fields.append(aggregation.ranking_key)
    return fields


def content_hash(snapshot: Snapshot, model_id: str) -> str:
    """SHA-256 of the snapshot's canonical JSON: sorted keys, no spaces, UTC with Z."""
    content = {
        "model_id": model_id,
        "period_start": iso_z(snapshot.period_start),
        "period_end": iso_z(snapshot.period_end),
        "prediction_count": snapshot.prediction_count,
        "result_summary": snapshot.result_summary,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _means(matrix: np.ndarray) -> np.ndarray:
    """Mean per column over what is known; NaN where nothing is."""
    counts = (~np.isnan(matrix)).sum(axis=0)
    means = np.full(counts.shape, np.nan)
    return np.divide(np.nansum(matrix, axis=0), counts, out=means, where=counts > 0)


def rounded(value: float) -> float | None:
    """A figure as it is stored: NULL when out of bounds, else to the digits kept."""
    return float(_FORMAT % value) if abs(value) <= LARGEST else None


def _model_names(competition: Competition) -> dict[int, str]:
    return dict(competition.models.values_list("pk", "model_id"))
