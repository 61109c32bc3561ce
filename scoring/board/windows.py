"""Compute the figures of all models over windows, from sums of their snapshots.

A cycle only adds the open period's rows to the sums of the closed ones.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from competitions.contract import CrunchConfig
from competitions.models import Competition
from competitions.shared.window_rule import Summing
from core.rounding import rounded
from scoring.board.closed_sums import begins_of, closed_state, closed_sums
from scoring.board.window_sums import (
    Sums,
    added,
    averaged_fields,
    field_summing,
    read_sums,
    value_summing,
)
from scoring.metrics.parts import IN_PARTS, PLACES
from scoring.metrics.ranks import Floats


class Figures(NamedTuple):
    """A model's figures and the numbers behind them.

    `samples` gives per window the scores and the expected scores, `counts` the scores,
    chunks or changes behind each other figure.
    """

    metrics: dict[str, float | None]
    samples: dict[str, dict[str, int]]
    counts: dict[str, int] = {}


def figures(
    *, competition: Competition, config: CrunchConfig, as_of: datetime
) -> dict[int, Figures]:
    """Return figures over windows by model key, in a constant number of statements."""
    closed = closed_state(competition)
    begins = begins_of(config, as_of)
    if closed is None or as_of <= closed.end:
        sums = read_sums(competition, config, begins, as_of, "")
    else:
        # Split where the closed sums end, not at what is closed by now: a period that
        # another worker closes meanwhile is counted once.
        sums = added(
            closed_sums(competition, config, as_of, closed),
            read_sums(
                competition, config, begins, as_of, "AND period_end > %s", closed.end
            ),
        )
    return _as_figures(sums, config)


def figures_of_period(sums: Sums, config: CrunchConfig) -> dict[int, Figures]:
    """Return figures of a period's sums, which have one window, for every window."""
    of_each = {
        name: np.repeat(getattr(sums, name), len(config.aggregation.windows), axis=1)
        for name in ("values", "weights", "counts", "expected")
    }
    return _as_figures(replace(sums, **of_each), config)


def _as_figures(sums: Sums, config: CrunchConfig) -> dict[int, Figures]:
    """Return figures and counts by model, under the names of windows and fields."""
    windows, fields = list(config.aggregation.windows), averaged_fields(config)
    in_parts = [name for name in config.metrics if name in IN_PARTS]
    table = np.column_stack(
        [
            _summed_up(
                sums.values, sums.weights, [value_summing(config)] * len(windows)
            ),
            _summed_up(
                sums.field_totals,
                sums.field_counts,
                [field_summing(config, name) for name in fields],
            ),
            *(IN_PARTS[name].figure(sums.parts[:, PLACES[name]]) for name in in_parts),
        ]
    )
    names = [*windows, *fields, *in_parts]
    samples, sample_of = _distinct(np.stack([sums.counts, sums.expected], axis=-1))
    shared_samples = [
        {
            window: {"count": count, "expected": expected}
            for window, (count, expected) in zip(windows, pairs, strict=True)
        }
        for pairs in samples.tolist()
    ]
    # The first of a metric's parts is its count.
    units = [sums.parts[:, PLACES[name].start] for name in in_parts]
    counts, count_of = _distinct(np.column_stack([sums.field_counts, *units]))
    shared_counts = [
        dict(zip([*fields, *in_parts], row, strict=True)) for row in counts.tolist()
    ]
    return {
        model: Figures(
            metrics=dict(zip(names, map(rounded, row), strict=True)),
            samples=shared_samples[sample],
            counts=shared_counts[count],
        )
        for model, row, sample, count in zip(
            sums.models.tolist(),
            table.tolist(),
            sample_of.tolist(),
            count_of.tolist(),
            strict=True,
        )
    }


def _summed_up(totals: Floats, weights: Floats, summings: Sequence[Summing]) -> Floats:
    """Return the figures of columns: a total where money is added up, else a mean."""
    figures = np.full(totals.shape, np.nan)
    is_total = np.array([each is Summing.TOTAL for each in summings], dtype=bool)
    divisors = np.where(is_total & (weights > 0), 1.0, weights)
    np.divide(totals, divisors, out=figures, where=divisors > 0)
    return figures


def _distinct(counts: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct rows, and each model's row number among them.

    Most models answered the same rounds, so few combinations of counts differ.
    """
    rows = np.nan_to_num(counts).astype(np.int64)
    distinct, place = np.unique(rows, axis=0, return_inverse=True)
    return distinct, place
