"""Metrics that cannot be averaged, kept as parts that merge into any window's figure.

The mean of two hours' drawdowns is not their drawdown. For each such metric a period
stores a few sums per model; the parts of adjoining periods merge into those of both
together, and the figure is computed from the parts. Merging is associative, so a
window's figure covers all its rounds, however they are divided into periods, and needs
no score again.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from .context import MetricsContext
from .ranks import Floats, spearman_last

# Smaller differences of ICs, which are at most 1, come from rounding alone.
_SAME_IC = 1e-12
# Without any deviation the ratio is undefined: it counts as the best, or worst,
# possible.
CAP = 10.0


class PartMetric(NamedTuple):
    """A metric in parts: `parts` is (models, width), zeros for a model without any."""

    width: int
    parts: Callable[[MetricsContext], Floats]
    merge: Callable[[Floats, Floats], Floats]
    figure: Callable[[Floats], Floats]


def _add(first: Floats, second: Floats) -> Floats:
    return first + second


def capped(
    mean: Floats, deviation: Floats, *, enough: np.ndarray, least: float = 0.0
) -> Floats:
    """Return mean / deviation within +-CAP; NaN with too few, or if both are 0.

    Numbers up to `least` count as 0. Without deviation the ratio is CAP with the mean's
    sign.
    """
    ratio = np.full(np.shape(mean), np.nan)
    has_spread = deviation > least
    with np.errstate(over="ignore"):  # of a tiny deviation
        np.divide(mean, deviation, out=ratio, where=has_spread)
    flat = ~has_spread & (np.abs(mean) > least)
    ratio = np.where(flat, np.sign(mean) * CAP, ratio)
    return np.where(enough, np.clip(ratio, -CAP, CAP), np.nan)


# --- Drawdown: count, total, highest and lowest running sum, deepest fall


def _drawdown_parts(context: MetricsContext) -> Floats:
    known = ~np.isnan(context.scores)
    running = np.cumsum(np.where(known, context.scores, 0.0), axis=0)
    if not len(running):
        return np.zeros((len(context.model_ids), 5))
    peaks = np.maximum(np.maximum.accumulate(running, axis=0), 0.0)
    return np.column_stack(
        [
            known.sum(axis=0),
            running[-1],
            peaks[-1],
            running.min(axis=0, initial=0.0),
            (running - peaks).min(axis=0, initial=0.0),
        ]
    )


def _drawdown_merged(first: Floats, second: Floats) -> Floats:
    count, total, peak, trough, deepest = first.T
    count2, total2, peak2, trough2, deepest2 = second.T
    return np.column_stack(
        [
            count + count2,
            total + total2,
            np.maximum(peak, total + peak2),
            np.minimum(trough, total + trough2),
            np.minimum(np.minimum(deepest, deepest2), total + trough2 - peak),
        ]
    )


def _drawdown(parts: Floats) -> Floats:
    return np.where(parts[:, 0] >= 2, parts[:, 4], np.nan)


# --- Sortino: rounds, sum of returns, losing rounds, sum of squared losses


def _sortino_parts(context: MetricsContext) -> Floats:
    returns = np.nan_to_num(np.sign(context.paired) * context.actuals)
    losses = np.where(returns < 0, returns, 0.0)
    return np.column_stack(
        [
            context.pair_counts,
            returns.sum(axis=1),
            (losses < 0).sum(axis=1),
            (losses**2).sum(axis=1),
        ]
    )


def _sortino(parts: Floats) -> Floats:
    rounds, total, lost, squared = parts.T
    downside = np.sqrt(squared / np.maximum(lost, 1))
    mean = total / np.maximum(rounds, 1)
    return capped(mean, downside, enough=rounds >= 2)


# --- IC Sharpe: known ICs of chunks, their mean, their sum of squared deviations


def _ic_sharpe_parts(context: MetricsContext) -> Floats:
    rounds = context.actuals.shape[-1]
    if rounds < 2:  # two or three are a chunk, which counts beside other periods
        return np.zeros((len(context.model_ids), 3))
    size = max(2, rounds // max(3, rounds // 10))
    used = rounds // size * size
    chunks = (rounds // size, size)
    ics = spearman_last(
        context.paired[:, :used].reshape(-1, *chunks),
        context.actuals[..., :used].reshape(*context.actuals.shape[:-1], *chunks),
    )
    known = ~np.isnan(ics)
    count = known.sum(axis=1)
    mean = np.where(known, ics, 0.0).sum(axis=1) / np.maximum(count, 1)
    deviation = np.where(known, ics - mean[:, None], 0.0)
    return np.column_stack([count, mean, (deviation**2).sum(axis=1)])


def _ic_sharpe_merged(first: Floats, second: Floats) -> Floats:
    """Source: Chan, Golub and LeVeque, "Updating Formulae", 1979."""
    count, mean, squared = first.T
    count2, mean2, squared2 = second.T
    both = count + count2
    share = count2 / np.maximum(both, 1)
    gap = mean2 - mean
    return np.column_stack(
        [both, mean + gap * share, squared + squared2 + gap**2 * count * share]
    )


def _ic_sharpe(parts: Floats) -> Floats:
    count, mean, squared = parts.T
    deviation = np.sqrt(squared / np.maximum(count, 1))
    return capped(mean, deviation, enough=count >= 2, least=_SAME_IC)


# --- Turnover: changes, their sum; the scope (0: no answer yet), first and last signal

# Of a period with rounds of several scopes the changes across its ends are left out.
_MANY = -1.0


def _turnover_parts(context: MetricsContext) -> Floats:
    total = np.zeros(len(context.model_ids))
    changes = np.zeros(len(context.model_ids))
    for scope in np.unique(context.scopes):
        signals = context.signals[context.scopes == scope]
        known = ~np.isnan(signals)
        row = np.where(known, np.arange(len(signals))[:, None], -1)
        latest = np.maximum.accumulate(row, axis=0)[:-1]
        before = np.take_along_axis(signals, np.maximum(latest, 0), axis=0)
        change = np.where(latest >= 0, np.abs(signals[1:] - before), np.nan)
        total += np.nansum(change, axis=0)
        changes += (~np.isnan(change)).sum(axis=0)
    return np.column_stack([changes, total, _ends(context)])


def _ends(context: MetricsContext) -> Floats:
    """Return scope, first and last signal, (models, 3); zeros without an answer."""
    known = ~np.isnan(context.by_model)
    if not known.any():
        return np.zeros((len(known), 3))
    scopes = np.unique(context.scopes)
    scope = scopes[0] + 1.0 if len(scopes) == 1 else _MANY
    row = np.arange(len(known))
    first = context.by_model[row, known.argmax(axis=1)]
    last = context.by_model[row, -1 - known[:, ::-1].argmax(axis=1)]
    ends = np.column_stack([np.full(len(known), scope), first, last])
    return np.where(known.any(axis=1, keepdims=True), ends, 0.0)


def _turnover_merged(first: Floats, second: Floats) -> Floats:
    changes, total, scope, start, end = first.T
    changes2, total2, scope2, start2, end2 = second.T
    follows = (scope == scope2) & (scope > 0)
    both = np.where(follows, scope, _MANY)
    return np.column_stack(
        [
            changes + changes2 + follows,
            total + total2 + np.where(follows, np.abs(start2 - end), 0.0),
            np.select([scope == 0, scope2 == 0], [scope2, scope], both),
            np.where(scope == 0, start2, start),
            np.where(scope2 == 0, end, end2),
        ]
    )


def _turnover(parts: Floats) -> Floats:
    changes, total, *_ = parts.T
    result = np.full(changes.shape, np.nan)
    np.divide(total, changes, out=result, where=changes > 0)
    return result


# What the first part of a metric counts, if not rounds.
UNITS = {"ic_sharpe": "chunks", "turnover": "changes"}

IN_PARTS = {
    "max_drawdown": PartMetric(5, _drawdown_parts, _drawdown_merged, _drawdown),
    "sortino_ratio": PartMetric(4, _sortino_parts, _add, _sortino),
    "ic_sharpe": PartMetric(3, _ic_sharpe_parts, _ic_sharpe_merged, _ic_sharpe),
    "turnover": PartMetric(5, _turnover_parts, _turnover_merged, _turnover),
}


# The position of each metric's parts among all parts.
PLACES: dict[str, slice] = {}
for _name, _metric in IN_PARTS.items():
    _begin = sum(metric.width for name, metric in IN_PARTS.items() if name in PLACES)
    PLACES[_name] = slice(_begin, _begin + _metric.width)
WIDTH = sum(metric.width for metric in IN_PARTS.values())


def parts_of(name: str, context: MetricsContext) -> Floats:
    """Return a metric's parts of a period, (models, width); computed once."""
    if name not in context.parts:
        context.parts[name] = IN_PARTS[name].parts(context)
    return context.parts[name]


def all_parts(names: Iterable[str], context: MetricsContext) -> Floats:
    """Return the named metrics' parts at their positions, (models, WIDTH); else 0."""
    found = np.zeros((len(context.model_ids), WIDTH))
    for name in IN_PARTS.keys() & set(names):
        found[:, PLACES[name]] = parts_of(name, context)
    return found


def merge_all(
    first: Floats, second: Floats, names: Iterable[str] = tuple(IN_PARTS)
) -> Floats:
    """Merge the named metrics' parts of adjoining periods of the same models.

    All are (models, WIDTH); other metrics' parts are 0 in what is returned.
    """
    merged = np.zeros(second.shape)
    for name in names:
        place = PLACES[name]
        merged[:, place] = IN_PARTS[name].merge(first[:, place], second[:, place])
    return merged
