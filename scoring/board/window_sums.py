"""Read the sums and merged parts of the snapshots in each window, with SQL."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from competitions.contract import CrunchConfig
from competitions.models import Competition
from competitions.shared.window_rule import Summing, summing_of
from core.columns import read_columns
from scoring.metrics.parts import IN_PARTS, PLACES, WIDTH, merge_all
from scoring.metrics.ranks import Floats
from scoring.snapshots.fields import summary_fields


@dataclass(frozen=True)
class Sums:
    """Sums over snapshots, a row per model; NaN where there is no snapshot.

    By window: `values` (times their weights), `weights` of those that are known,
    `counts` and `expected`. By field over the shortest window: `field_totals` and
    `field_counts`. `parts`, (models, WIDTH), are the merged parts of the metrics that
    do not average, over the shortest window.
    """

    models: NDArray[np.int64]
    values: Floats
    weights: Floats
    counts: Floats
    expected: Floats
    field_totals: Floats
    field_counts: Floats
    parts: Floats


def averaged_fields(config: CrunchConfig) -> list[str]:
    """Return the fields of a summary that a window averages, or adds up."""
    return [name for name in summary_fields(config) if name not in IN_PARTS]


def value_summing(config: CrunchConfig) -> Summing:
    """Return how a contract's value is summed up."""
    return field_summing(config, config.aggregation.value_field)


def field_summing(config: CrunchConfig, name: str) -> Summing:
    """Return how a field of a contract's summaries is summed up."""
    return summing_of(
        name,
        value_field=config.aggregation.value_field,
        trades=config.trading is not None,
    )


def field_number(field: str) -> str:
    """Return the SQL of a summary's field as a number, NULL for anything else.

    `field` is the SQL of its JSON. The numbers were limited when they were written.
    """
    return f"CASE WHEN jsonb_typeof({field}) = 'number' THEN ({field})::float8 END"


def metrics_in_parts(config: CrunchConfig) -> list[str]:
    """Return a contract's metrics that are made of parts."""
    return [name for name in PLACES if name in config.metrics]


def wanted_parts(config: CrunchConfig) -> list[int]:
    """Return the positions of the parts that a contract's metrics are made of."""
    return [
        place
        for name in metrics_in_parts(config)
        for place in range(PLACES[name].start, PLACES[name].stop)
    ]


def read_sums(
    competition: Competition,
    config: CrunchConfig,
    windows: list[datetime],
    as_of: datetime,
    which: str,
    *end: datetime,
) -> Sums:
    """Sum up the snapshots of each window; two statements at most.

    `windows` gives the start of each; `which` and its parameters `end` restrict the
    snapshots further.
    """
    names = averaged_fields(config)
    extracted = "result_summary_jsonb -> %s"
    fields = "".join(
        f", CASE WHEN period_end > %s THEN {field_number(extracted)} END AS field{i}"
        for i in range(len(names))
    )
    inside = "FILTER (WHERE period_end > %s)"
    columns: dict[str, str] = {}
    value, weight = _summed("value", value_summing(config))
    for i in range(len(windows)):
        columns[f"value {i}"] = f"{value} {inside}"
        columns[f"weight {i}"] = f"{weight} {inside}"
        columns[f"count {i}"] = f"sum(prediction_count) {inside}"
        columns[f"expected {i}"] = f"sum(expected_count) {inside}"
    for i, name in enumerate(names):
        columns[f"field total {i}"], columns[f"field count {i}"] = _summed(
            f"field{i}", field_summing(config, name)
        )
    known = ", ".join(f"coalesce(({each})::float8, 'NaN')" for each in columns.values())
    with connection.cursor() as cursor:
        # OFFSET 0 keeps PostgreSQL from extracting each field again for every use of
        # it.
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
                *(since for since in windows for _ in range(4)),
                *(part for name in names for part in (max(windows), name, name)),
                *(competition.pk, min(windows), as_of, *end),
            ],
            model=int,
            **dict.fromkeys(columns, float),
        )
    models = found["model"]

    def table(name: str, width: int) -> Floats:
        columns = [found[f"{name} {i}"] for i in range(width)]
        return np.column_stack(columns) if columns else np.empty((len(models), 0))

    return Sums(
        models=models,
        values=table("value", len(windows)),
        weights=table("weight", len(windows)),
        counts=table("count", len(windows)),
        expected=table("expected", len(windows)),
        field_totals=table("field total", len(names)),
        field_counts=table("field count", len(names)),
        parts=_merged_parts(
            competition, config, models, [max(windows), as_of, *end], which
        ),
    )


def _summed(column: str, summing: Summing) -> tuple[str, str]:
    """Return the SQL of a column's sum, and of the weight of what is known of it."""
    known = f"CASE WHEN {column} IS NOT NULL THEN"
    if summing is Summing.MEAN_OF_SCORES:
        return (
            f"sum({column} * prediction_count)",
            f"sum({known} prediction_count END)",
        )
    # Exact: sums of money that are equal in decimals must not differ in binary.
    return f"sum({column}::numeric)", f"sum({known} 1 END)"


def added(first: Sums, second: Sums) -> Sums:
    """Add up the sums of two adjoining periods; NaN plus a number is the number."""
    models = np.union1d(first.models, second.models)
    rows = [np.searchsorted(models, side.models) for side in (first, second)]

    def total(one: Floats, other: Floats) -> Floats:
        cells = np.full((2, len(models), one.shape[1]), np.nan)
        cells[0, rows[0]], cells[1, rows[1]] = one, other
        summed: Floats = np.nansum(cells, axis=0)
        summed[np.isnan(cells).all(axis=0)] = np.nan
        return summed

    parts = np.zeros((2, len(models), WIDTH))
    parts[0, rows[0]], parts[1, rows[1]] = first.parts, second.parts
    return Sums(
        models=models,
        values=total(first.values, second.values),
        weights=total(first.weights, second.weights),
        counts=total(first.counts, second.counts),
        expected=total(first.expected, second.expected),
        field_totals=total(first.field_totals, second.field_totals),
        field_counts=total(first.field_counts, second.field_counts),
        parts=merge_all(*parts),
    )


def _merged_parts(
    competition: Competition,
    config: CrunchConfig,
    models: NDArray[np.int64],
    span: list[datetime],
    which: str,
) -> Floats:
    """Merge the parts of a window's snapshots in the order of their periods."""
    wanted = wanted_parts(config)
    if not wanted:
        return np.zeros((len(models), WIDTH))
    places = ", ".join(f"coalesce(parts[{place + 1}], 0)" for place in wanted)
    with connection.cursor() as cursor:
        found = read_columns(
            cursor,
            f"""
            SELECT model_id, period_start, {places}
            FROM snapshots
            WHERE model_id IN (SELECT id FROM models WHERE competition_id = %s)
                AND superseded_at IS NULL AND period_end > %s AND period_start < %s
                {which}
            """,
            [competition.pk, *span],
            model=int,
            start=int,
            **{str(place): float for place in wanted},
        )
    order = np.lexsort((found["model"], found["start"]))
    rows = np.zeros((len(order), WIDTH))
    for place in wanted:
        rows[:, place] = found[str(place)][order]
    row = np.searchsorted(models, found["model"][order])
    return merged_in_order(config, len(models), row, found["start"][order], rows)


def merged_in_order(
    config: CrunchConfig,
    models: int,
    row: NDArray[np.int64],
    starts: NDArray[np.int64],
    parts: Floats,
) -> Floats:
    """Merge snapshots' parts, which are in the order of `starts`, by model's `row`.

    Returns (models, WIDTH), with the parts of the contract's metrics.
    """
    names = metrics_in_parts(config)
    merged = np.zeros((models, WIDTH))
    _, begins = np.unique(starts, return_index=True)
    for begin, end in pairwise([*begins.tolist(), len(parts)]):
        chosen = row[begin:end]
        merged[chosen] = merge_all(merged[chosen], parts[begin:end], names)
    return merged
