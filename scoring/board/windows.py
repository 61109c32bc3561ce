"""Windowed figures of all models, as sums and merged parts of their snapshots.

Closed snapshots only change by a correction, so their sums are kept in this process
until a period closes, a window moves or a correction is made; a cycle in between adds
no more than the open period's rows.
"""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from django.db import connection

from competitions.contract import CrunchConfig
from competitions.models import Competition
from core.columns import read_columns
from core.grid import NEVER, Period
from scoring.metrics.parts import IN_PARTS, PLACES, WIDTH, merge_all
from scoring.models import Snapshot
from scoring.snapshots.fields import rounded, summary_fields


@dataclass(frozen=True)
class Sums:
    """Sums over snapshots, a row per model.

    `cells` is (models, sums), NaN where there is nothing; `parts` is (models, WIDTH):
    the merged parts of the metrics that do not average, over the shortest window.
    """

    models: np.ndarray
    cells: np.ndarray
    parts: np.ndarray


class Figures(NamedTuple):
    """A model's figures and what they rest on.

    `samples` has the windows' scores and how many were expected, `counts` the scores,
    chunks or changes behind each other figure.
    """

    metrics: dict[str, float | None]
    samples: dict[str, dict[str, int]]
    counts: dict[str, int] = {}


def figures(
    *, competition: Competition, config: CrunchConfig, as_of: datetime
) -> dict[int, Figures]:
    """Windowed figures by model key, in a constant number of statements."""
    closed = _closed_state(competition)
    begins = _begins(config, as_of)
    if closed is None or as_of <= closed[0]:
        sums = _sums(competition, config, begins, as_of, "")
    else:
        # Split where the closed ones ended, not by what is closed by now: a period
        # that another worker closes meanwhile is counted once.
        sums = _added(
            _closed_sums(competition, config, as_of, closed),
            _sums(competition, config, begins, as_of, "AND period_end > %s", closed[0]),
        )
    return _figures(sums, config)


def figures_of_period(
    *, competition: Competition, config: CrunchConfig, period: Period
) -> dict[int, Figures]:
    """Return the same over the snapshots that end in `(start, end]`, for every window.

    Each snapshot is of one such period only, whatever its own length is.
    """
    begins = [period.start] * len(config.aggregation.windows)
    ended = _sums(
        competition, config, begins, period.end, "AND period_end <= %s", period.end
    )
    return _figures(ended, config)


class _Kept(NamedTuple):
    """Sums, what they depend on, and between which starts each window covers them."""

    key: tuple[Any, ...]
    starts: list[tuple[datetime, datetime]]
    sums: Sums


_kept: dict[int, _Kept] = {}
_lock = threading.Lock()


def forget() -> None:
    """Drop what is kept in memory; for benchmarks."""
    with _lock:
        _kept.clear()


def _closed_state(competition: Competition) -> tuple[Any, ...] | None:
    """What changes with the closed snapshots, the end of the newest of them first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT period_end, id, updated_at,
                (SELECT max(id) FROM rescorings WHERE competition_id = %(key)s),
                (SELECT max(id) FROM void_windows WHERE competition_id = %(key)s)
            FROM snapshots
            WHERE model_id IN (SELECT id FROM models WHERE competition_id = %(key)s)
                AND superseded_at IS NULL AND is_closed
            ORDER BY period_end DESC, model_id DESC LIMIT 1
            """,  # in the order of the index on period_end
            {"key": competition.pk},
        )
        return cursor.fetchone()


def _closed_sums(
    competition: Competition,
    config: CrunchConfig,
    as_of: datetime,
    state: tuple[Any, ...],
) -> Sums:
    """Sums of the closed snapshots; from memory if nothing has changed them."""
    windows = config.aggregation.windows
    hours = tuple((name, window.hours) for name, window in windows.items())
    key = (state, tuple(summary_fields(config)), hours)
    begins = _begins(config, as_of)
    with _lock:
        kept = _kept.get(competition.pk)
    if (
        kept is not None
        and kept.key == key
        and all(
            first <= begin < last
            for begin, (first, last) in zip(begins, kept.starts, strict=True)
        )
    ):
        return kept.sums
    sums = _sums(competition, config, begins, as_of, "AND period_end <= %s", state[0])
    starts = [(begin, _next_end(competition, begin)) for begin in begins]
    with _lock:
        _kept[competition.pk] = _Kept(key, starts, sums)
    return sums


def _next_end(competition: Competition, begin: datetime) -> datetime:
    """When the first closed snapshot leaves a window that begins at `begin`."""
    # Asked, not reckoned: an older snapshot may be of another length.
    ends = Snapshot.objects.current().filter(
        model__competition=competition, is_closed=True, period_end__gt=begin
    )
    first = ends.order_by("period_end").values_list("period_end", flat=True).first()
    return first or NEVER


def _begins(config: CrunchConfig, as_of: datetime) -> list[datetime]:
    windows = config.aggregation.windows.values()
    return [as_of - timedelta(hours=window.hours) for window in windows]


def _sums(
    competition: Competition,
    config: CrunchConfig,
    windows: list[datetime],
    as_of: datetime,
    which: str,
    *end: datetime,
) -> Sums:
    """Per window: value times count, count, expected; per field: total and count.

    `windows` says where each begins.
    """
    names = averaged_fields(config)
    # What a snapshot sums up was bounded when it was written (`fields.rounded`).
    fields = "".join(
        ", CASE WHEN period_end > %s AND jsonb_typeof(result_summary_jsonb -> %s) = "
        f"'number' THEN (result_summary_jsonb -> %s)::float8 END AS field{i}"
        for i in range(len(names))
    )
    inside = "FILTER (WHERE period_end > %s)"
    sums = [
        f"sum({what}) {inside}"
        for _ in windows
        for what in ("value * prediction_count", "prediction_count", "expected_count")
    ]
    for i in range(len(names)):
        sums += [
            f"sum(field{i} * prediction_count)",
            f"sum(prediction_count) FILTER (WHERE field{i} IS NOT NULL)",
        ]
    known = ", ".join(f"coalesce(({each})::float8, 'NaN')" for each in sums)
    with connection.cursor() as cursor:
        # The fence keeps each field from being looked up once for every use of it.
        found = read_columns(
            cursor,
            f"""
            SELECT model_id, {known} FROM (
                SELECT model_id, period_end, value, prediction_count, expected_count
                    {fields}
                FROM snapshots
                WHERE model_id IN (SELECT id FROM models WHERE competition_id = %s)
                    AND superseded_at IS NULL AND period_end > %s AND period_start < %s
                    {which}
                OFFSET 0
            ) AS snapshot GROUP BY model_id ORDER BY model_id
            """,
            [
                *(since for since in windows for _ in range(3)),
                *(part for name in names for part in (max(windows), name, name)),
                *(competition.pk, min(windows), as_of, *end),
            ],
            model=int,
            **{str(i): float for i in range(len(sums))},
        )
    cells = np.column_stack([found[str(i)] for i in range(len(sums))])
    models = found["model"]
    parts = _merged_parts(
        competition, config, models, [max(windows), as_of, *end], which
    )
    return Sums(models=models, cells=cells, parts=parts)


def averaged_fields(config: CrunchConfig) -> list[str]:
    """Fields of a summary of which a window shows the mean."""
    return [name for name in summary_fields(config) if name not in IN_PARTS]


def _merged_parts(
    competition: Competition,
    config: CrunchConfig,
    models: np.ndarray,
    span: list[datetime],
    which: str,
) -> np.ndarray:
    """The parts of a window's snapshots, merged in the order of their periods."""
    merged = np.zeros((len(models), WIDTH))
    wanted = [
        place
        for name, metric_places in PLACES.items()
        if name in config.metrics
        for place in range(metric_places.start, metric_places.stop)
    ]
    if not wanted:
        return merged
    places = ", ".join(f"coalesce(parts[{place + 1}], 0)" for place in wanted)
    with connection.cursor() as cursor:
        found = read_columns(
            cursor,
            f"""
            SELECT model_id, extract(epoch FROM period_start)::float8, {places}
            FROM snapshots
            WHERE model_id IN (SELECT id FROM models WHERE competition_id = %s)
                AND superseded_at IS NULL AND period_end > %s AND period_start < %s
                {which}
            ORDER BY period_start, model_id
            """,
            [competition.pk, *span],
            model=int,
            start=float,
            **{str(place): float for place in wanted},
        )
    rows = np.zeros((len(found["model"]), WIDTH))
    rows[:, wanted] = np.column_stack([found[str(place)] for place in wanted])
    row = np.searchsorted(models, found["model"])
    _, begins = np.unique(found["start"], return_index=True)
    for begin, end in pairwise([*begins.tolist(), len(rows)]):
        chosen = row[begin:end]
        merged[chosen] = merge_all(merged[chosen], rows[begin:end])
    return merged


def _added(first: Sums, second: Sums) -> Sums:
    """Add up the sums of two adjoining stretches; NaN plus a number is the number."""
    models = np.union1d(first.models, second.models)
    cells = np.full((2, len(models), first.cells.shape[1]), np.nan)
    parts = np.zeros((2, len(models), WIDTH))
    for side, part in enumerate((first, second)):
        row = np.searchsorted(models, part.models)
        cells[side, row], parts[side, row] = part.cells, part.parts
    total = np.where(np.isnan(cells).all(axis=0), np.nan, np.nansum(cells, axis=0))
    return Sums(models=models, cells=total, parts=merge_all(*parts))


def _figures(sums: Sums, config: CrunchConfig) -> dict[int, Figures]:
    """Figures and counts by model, under the names of the windows and the fields."""
    windows, fields = list(config.aggregation.windows), averaged_fields(config)
    split = 3 * len(windows)
    by_window, by_field = sums.cells[:, :split], sums.cells[:, split:]
    totals = np.hstack([by_window[:, 0::3], by_field[:, 0::2]])
    counts = np.hstack([by_window[:, 1::3], by_field[:, 1::2]])
    means = np.full(totals.shape, np.nan)
    np.divide(totals, counts, out=means, where=counts > 0)
    samples = np.nan_to_num(np.stack([by_window[:, 1::3], by_window[:, 2::3]], axis=-1))
    # Most models answered the same rounds, so few combinations of counts differ.
    known, which = np.unique(samples.astype(int), axis=0, return_inverse=True)
    shared = [
        {
            window: {"count": count, "expected": expected}
            for window, (count, expected) in zip(windows, pairs, strict=True)
        }
        for pairs in known.tolist()
    ]
    in_parts = [name for name in config.metrics if name in IN_PARTS]
    whole = [IN_PARTS[name].figure(sums.parts[:, PLACES[name]]) for name in in_parts]
    names = [*windows, *fields, *in_parts]
    behind = np.column_stack(
        [by_field[:, 1::2], *(sums.parts[:, PLACES[name].start] for name in in_parts)]
    )
    counts, place_of_counts = np.unique(
        np.nan_to_num(behind).astype(int), axis=0, return_inverse=True
    )
    shared_counts = [
        dict(zip([*fields, *in_parts], row, strict=True)) for row in counts.tolist()
    ]
    table = np.column_stack([means, *whole])
    rows = zip(
        *(sums.models.tolist(), table.tolist()),
        *(which.tolist(), place_of_counts.tolist()),
        strict=True,
    )
    return {
        model: Figures(
            metrics=dict(zip(names, map(rounded, row), strict=True)),
            samples=shared[place],
            counts=shared_counts[place_of_count],
        )
        for model, row, place, place_of_count in rows
    }
