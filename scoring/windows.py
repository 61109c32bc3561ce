"""Windowed figures of all models, as sums over their snapshots.

Closed snapshots only change by a correction, so their sums are kept in this process
until a period closes, a window moves or a correction is made; a cycle in between adds
no more than the open period's rows.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Max

from competitions.contract import CrunchConfig
from competitions.models import Competition
from scoring.models import Rescoring, Snapshot, VoidWindow
from scoring.periods import floor
from scoring.snapshots import rounded, summary_fields

Sums = dict[int, tuple[float | None, ...]]


@dataclass(frozen=True)
class Figures:
    """A model's windowed means and the counts that they rest on."""

    metrics: dict[str, float | None]
    samples: dict[str, dict[str, int]]


def figures(
    *, competition: Competition, config: CrunchConfig, as_of: datetime
) -> dict[int, Figures]:
    """Windowed figures by model key, in a constant number of statements."""
    newest = (
        Snapshot.objects.current()
        .filter(model__competition=competition, is_closed=True)
        .order_by("-period_end", "-model_id")  # as its index
        .values_list("period_end", "pk", "updated_at")
        .first()
    )
    if newest is None or as_of <= newest[0]:
        sums = _sums(competition, config, as_of, "")
    else:
        closed = _closed_sums(competition, config, as_of, newest)
        sums = _added(closed, _sums(competition, config, as_of, "AND NOT is_closed"))
    windows = list(config.aggregation.windows)
    names = summary_fields(config)
    return {model: _figures(cells, windows, names) for model, cells in sums.items()}


# Per competition what the sums depend on, and the sums.
_kept: dict[int, tuple[Any, Sums]] = {}
_lock = threading.Lock()


def forget() -> None:
    """Drop what is kept in memory; for benchmarks."""
    with _lock:
        _kept.clear()


def _closed_sums(
    competition: Competition, config: CrunchConfig, as_of: datetime, newest: Any
) -> Sums:
    """Sums of the closed snapshots; from memory if nothing has changed them."""
    windows = config.aggregation.windows
    key = (
        newest,
        Rescoring.objects.filter(competition=competition).aggregate(Max("pk")),
        VoidWindow.objects.filter(competition=competition).aggregate(Max("pk")),
        tuple(summary_fields(config)),
        tuple(
            (
                name,
                floor(as_of - timedelta(hours=w.hours), competition.snapshot_period_s),
            )
            for name, w in windows.items()
        ),
    )
    with _lock:
        kept = _kept.get(competition.pk)
    if kept is not None and kept[0] == key:
        return kept[1]
    sums = _sums(competition, config, as_of, "AND is_closed")
    with _lock:
        _kept[competition.pk] = (key, sums)
    return sums


def _sums(
    competition: Competition, config: CrunchConfig, as_of: datetime, which: str
) -> Sums:
    """Per window: value times count, count, expected; per field: total and count."""
    windows = {
        name: as_of - timedelta(hours=window.hours)
        for name, window in config.aggregation.windows.items()
    }
    shortest = max(windows.values())
    columns: list[str] = []
    parameters: list[Any] = []
    for since in windows.values():
        columns.append(
            "sum(value * prediction_count) FILTER (WHERE period_end > %s), "
            "sum(prediction_count) FILTER (WHERE period_end > %s)::float8, "
            "sum(expected_count) FILTER (WHERE period_end > %s)::float8"
        )
        parameters += [since] * 3
    for name in summary_fields(config):
        known = (
            "period_end > %s AND jsonb_typeof(result_summary_jsonb -> %s) = 'number'"
        )
        columns.append(
            "sum((result_summary_jsonb ->> %s)::float8 * prediction_count) "
            f"FILTER (WHERE {known}), "
            f"sum(prediction_count) FILTER (WHERE {known})::float8"
        )
        parameters += [name, shortest, name, shortest, name]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT model_id, {', '.join(columns)} FROM snapshots "
            "WHERE model_id IN (SELECT id FROM models WHERE competition_id = %s) "
            "AND superseded_at IS NULL AND period_end > %s AND period_start < %s "
            f"{which} GROUP BY model_id",
            [*parameters, competition.pk, min(windows.values()), as_of],
        )
        return {row[0]: row[1:] for row in cursor.fetchall()}


def _added(first: Sums, second: Sums) -> Sums:
    """Both sums by model; NULL and a number make the number."""
    result = dict(first)
    for model, cells in second.items():
        if model in result:
            cells = tuple(  # noqa: PLW2901  the sum takes their place
                a if b is None else b if a is None else a + b
                for a, b in zip(result[model], cells, strict=True)
            )
        result[model] = cells
    return result


def _figures(
    cells: Sequence[float | None], windows: Sequence[str], names: Sequence[str]
) -> Figures:
    metrics: dict[str, float | None] = {}
    samples = {}
    for i, window in enumerate(windows):
        total, count, expected = cells[3 * i : 3 * i + 3]
        metrics[window] = _mean(total, count)
        samples[window] = {"count": int(count or 0), "expected": int(expected or 0)}
    rest = cells[3 * len(windows) :]
    for i, name in enumerate(names):
        metrics[name] = _mean(*rest[2 * i : 2 * i + 2])
    return Figures(metrics=metrics, samples=samples)


def _mean(total: float | None, count: float | None) -> float | None:
    return None if total is None or not count else rounded(total / count)
