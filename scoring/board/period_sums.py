"""Sum up the snapshots that end in a period, from one reading of their rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from competitions.contract import CrunchConfig
from competitions.models import Competition
from competitions.shared.window_rule import Summing, total_of
from core.columns import read_columns
from core.grid import Period
from core.rounding import rounded
from scoring.board.window_sums import (
    Sums,
    averaged_fields,
    field_number,
    field_summing,
    merged_in_order,
    value_summing,
    wanted_parts,
)
from scoring.metrics.parts import WIDTH
from scoring.metrics.ranks import Floats


class Counted(NamedTuple):
    """A model's snapshots and scores; its mean's standard error, if there are two."""

    snapshots: int
    scored: int
    standard_error: float | None


@dataclass(frozen=True)
class PeriodSums:
    """Sums with one window, the period; what stands behind each model's mean.

    `rounds` is how many rounds the snapshots expected: the most that a model did in
    each of their periods.
    """

    sums: Sums
    counted: dict[int, Counted]
    rounds: int


def read_period(
    competition: Competition, config: CrunchConfig, period: Period
) -> PeriodSums:
    """Read the snapshots that end in `(start, end]` with one statement, and sum them.

    Each snapshot belongs to one such period only, whatever its own length. Takes about
    200 bytes a snapshot.
    """
    fields, places = averaged_fields(config), wanted_parts(config)
    found = _read_rows(competition, period, fields, places)
    models, row = np.unique(found["model"], return_inverse=True)
    count, value = found["count"], found["value"]
    parts = np.zeros((len(row), WIDTH))
    for place in places:
        parts[:, place] = found[f"part {place}"]

    def summed(column: Floats, summing: Summing) -> tuple[Floats, Floats]:
        return _summed(row, column, count, summing, len(models))

    columns = [
        summed(found[f"field {name}"], field_summing(config, name)) for name in fields
    ]
    values, weights = summed(value, value_summing(config))
    scored = _totals(row, count, len(models))
    sums = Sums(
        models=models,
        values=values[:, None],
        weights=weights[:, None],
        counts=scored[:, None],
        expected=_totals(row, found["expected"], len(models))[:, None],
        field_totals=_table([total for total, _ in columns], len(models)),
        field_counts=_table([weight for _, weight in columns], len(models)),
        parts=merged_in_order(config, len(models), row, found["start"], parts),
    )
    errors = _standard_errors(row, count, value, value_summing(config), len(models))
    snapshots = np.bincount(row, minlength=len(models))
    counted = map(
        Counted, snapshots.tolist(), scored.astype(int).tolist(), map(_known, errors)
    )
    return PeriodSums(
        sums=sums,
        counted=dict(zip(models.tolist(), counted, strict=True)),
        rounds=_most_rounds(found["start"], np.maximum(found["expected"], count)),
    )


def _read_rows(
    competition: Competition,
    period: Period,
    fields: Sequence[str],
    places: Sequence[int],
) -> dict[str, np.ndarray]:
    """Return the snapshots' columns in the order of their periods."""
    numbers = {
        "count": "prediction_count::float8",
        "expected": "expected_count::float8",
        "value": "coalesce(value, 'NaN')",
        **{
            f"field {name}": f"coalesce({field_number(f'field{i}')}, 'NaN')"
            for i, name in enumerate(fields)
        },
    }
    columns = list(numbers.values())
    columns += [f"coalesce(parts[{place + 1}], 0)" for place in places]
    extracted = [
        f", result_summary_jsonb -> %s AS field{i}" for i in range(len(fields))
    ]
    with connection.cursor() as cursor:
        found = read_columns(
            cursor,
            # OFFSET 0 keeps PostgreSQL from extracting a field for each of two uses.
            f"""
            SELECT model_id, period_start, {", ".join(columns)} FROM (
                SELECT model_id, period_start, prediction_count, expected_count, value,
                    parts{"".join(extracted)}
                FROM snapshots
                WHERE model_id IN (SELECT id FROM models WHERE competition_id = %s)
                    AND superseded_at IS NULL AND period_end > %s AND period_end <= %s
                OFFSET 0
            ) AS snapshot
            """,
            [*fields, competition.pk, period.start, period.end],
            model=int,
            start=int,
            **dict.fromkeys([*numbers, *(f"part {each}" for each in places)], float),
        )
    order = np.lexsort((found["model"], found["start"]))
    return {name: column[order] for name, column in found.items()}


def _totals(row: NDArray[np.int64], numbers: Floats, size: int) -> Floats:
    """Return the sum of each model's known numbers; NaN of one that has none."""
    is_known = ~np.isnan(numbers)
    totals = np.bincount(row, np.where(is_known, numbers, 0.0), size)
    return np.where(np.bincount(row[is_known], minlength=size), totals, np.nan)


def _summed(
    row: NDArray[np.int64], column: Floats, count: Floats, summing: Summing, size: int
) -> tuple[Floats, Floats]:
    """Return the sum of each model's known numbers, and the weight of these."""
    is_known = ~np.isnan(column)
    if summing is Summing.MEAN_OF_SCORES:
        weight = np.where(is_known, count, np.nan)
        return _totals(row, column * count, size), _totals(row, weight, size)
    weights = _totals(row, np.where(is_known, 1.0, np.nan), size)
    amounts: list[list[float]] = [[] for _ in range(size)]
    for i, amount in zip(
        row[is_known].tolist(), column[is_known].tolist(), strict=True
    ):
        amounts[i].append(amount)
    return np.array([total_of(own) if own else np.nan for own in amounts]), weights


def _table(columns: list[Floats], rows: int) -> Floats:
    return np.column_stack(columns) if columns else np.empty((rows, 0))


def _standard_errors(
    row: NDArray[np.int64], count: Floats, value: Floats, summing: Summing, size: int
) -> Floats:
    """Return the standard error of each mean of values weighted by their counts.

    Of a total, the error is that of the mean times the number of its values. NaN of
    fewer than two values with a weight.
    """
    is_known = ~np.isnan(value)
    row, weight, value = row[is_known], count[is_known], value[is_known]
    if summing is not Summing.MEAN_OF_SCORES:
        weight = np.ones(len(row))
    parts = np.bincount(row, minlength=size)
    total = np.bincount(row, weight, size)
    errors = np.full(size, np.nan)
    can = (parts >= 2) & (total > 0)
    mean = np.zeros(size)
    np.divide(np.bincount(row, weight * value, size), total, out=mean, where=can)
    squares = np.bincount(row, (weight * (value - mean[row])) ** 2, size)
    scale = parts / np.maximum(parts - 1, 1)
    np.divide(np.sqrt(squares * scale), total, out=errors, where=can)
    return errors * parts if summing is Summing.TOTAL else errors


def _most_rounds(starts: NDArray[np.int64], rounds: Floats) -> int:
    """Return the sum over periods, which are in order, of the most in each."""
    if not len(starts):
        return 0
    _, begins = np.unique(starts, return_index=True)
    return int(np.maximum.reduceat(rounds, begins).sum())


def _known(value: float) -> float | None:
    return None if np.isnan(value) else rounded(value)
