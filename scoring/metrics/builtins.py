"""The eleven built-in metrics.

Common rules: a round counts for a model where the model has what the formula needs;
ties get average ranks; no variance, too few rounds or nothing to compare with is NaN
(unknown, never 0); a ratio without deviation is capped. `signal` is the model's number
of a round, `actual` the true return, `score` what the scorer gave. sign(0) = 0, so a
model that says nothing earns nothing.
"""

import numpy as np

from .context import MetricsContext
from .parts import IN_PARTS, parts_of
from .ranks import (
    Floats,
    pairwise_spearman,
    spearman_last,
    without_noise,
)

_NO_SPREAD = 1e-12


def ic(predictions: Floats, scores: Floats, context: MetricsContext) -> Floats:
    """Information coefficient: Spearman's rho of signal and actual.

    Source: Grinold and Kahn, "Active Portfolio Management", 1999, with ranks.
    """
    return context.ic


def ic_sharpe(predictions: Floats, scores: Floats, context: MetricsContext) -> Floats:
    """Mean over population standard deviation of the ICs of consecutive chunks.

    Chunks are the same rounds for all models: max(2, n // max(3, n // 10)) rounds each,
    an incomplete last one is dropped. At least 2 known ICs. Within +-10:
    ICs that are all the same have no deviation and count as 10 with their sign. Over a
    window the chunks are those of its periods.
    """
    return _from_parts("ic_sharpe", context)


def hit_rate(predictions: Floats, scores: Floats, context: MetricsContext) -> Floats:
    """Share of rounds with sign(signal) = sign(actual)."""
    hits = np.sign(context.paired) == np.sign(context.actuals)
    return _ratio(hits.sum(axis=1), context.pair_counts)


def mean_return(predictions: Floats, scores: Floats, context: MetricsContext) -> Floats:
    """Mean of sign(signal) * actual: the return of a unit bet on each signal."""
    bets = np.nan_to_num(np.sign(context.paired) * context.actuals)
    return _ratio(bets.sum(axis=1), context.pair_counts)


def max_drawdown(
    predictions: Floats, scores: Floats, context: MetricsContext
) -> Floats:
    """Deepest fall of the running sum of scores below its peak so far; never above 0.

    The peak starts at 0, before the first score. At least 2 scores.
    """
    return _from_parts("max_drawdown", context)


def sortino_ratio(
    predictions: Floats, scores: Floats, context: MetricsContext
) -> Floats:
    """Mean of sign(signal) * actual over the root mean square of its negative values.

    The mean square runs over the negative returns alone. Within +-10: gains without a
    loss count as 10. Source: Sortino and Price, "Performance Measurement in a Downside
    Risk Framework", 1994, with a target of 0. At least 2 rounds.
    """
    return _from_parts("sortino_ratio", context)


def turnover(predictions: Floats, scores: Floats, context: MetricsContext) -> Floats:
    """Mean absolute change of the signal from one round to the next of its scope.

    A round that the model did not answer is skipped: the change is from the answer
    before it. At least one change.
    """
    return _from_parts("turnover", context)


def model_correlation(
    predictions: Floats, scores: Floats, context: MetricsContext
) -> Floats:
    """Mean Spearman's rho of the model's signals with each other model's.

    A pair is ranked and compared over the rounds that both answered.
    """
    if not context.has_peers:
        return np.full(len(context.model_ids), np.nan)
    pairs = pairwise_spearman(context.by_model, context.ranks)
    np.fill_diagonal(pairs, np.nan)
    known = ~np.isnan(pairs)
    return _ratio(np.where(known, pairs, 0.0).sum(axis=1), known.sum(axis=1))


def fnc(predictions: Floats, scores: Floats, context: MetricsContext) -> Floats:
    """Feature-neutral correlation: IC of the signal less the mean signal of all models.

    Of a single model it is the IC. Source: Numerai's FNC, with the models' mean as the
    one feature.
    """
    if not context.has_peers:
        return context.ic
    known = ~np.isnan(predictions)
    mean = _ratio(np.where(known, predictions, 0.0).sum(axis=1), known.sum(axis=1))
    left = without_noise(
        context.paired - mean, np.maximum(np.abs(context.paired), np.abs(mean))
    )
    return spearman_last(left, context.actuals)


def contribution(
    predictions: Floats, scores: Floats, context: MetricsContext
) -> Floats:
    """IC of the first ensemble less its IC without the model, with the same weights.

    0 for a model that the ensemble holds with weight 0; unknown without an answer.
    """
    if not context.ensembles:
        return np.full(len(context.model_ids), np.nan)
    weights = context.ensembles[0].weights[:, None]
    present = ~np.isnan(context.by_model)
    shares = np.where(present, weights, 0.0)
    weighted = np.where(present, context.by_model * weights, 0.0)
    left = shares.sum(axis=0) - shares
    without = np.full(left.shape, np.nan)
    np.divide(weighted.sum(axis=0) - weighted, left, out=without, where=left > 1e-12)
    size = np.abs(weighted).sum(axis=0) / np.maximum(left, _NO_SPREAD)
    without = without_noise(without, size)
    whole = spearman_last(context.ensembles[0].signals, context.actuals)
    gained = whole - spearman_last(without, context.actuals)
    return np.where(present.any(axis=1), gained, np.nan)


def ensemble_correlation(
    predictions: Floats, scores: Floats, context: MetricsContext
) -> Floats:
    """Spearman's rho of the model's signals with the first ensemble's."""
    if not context.ensembles:
        return np.full(len(context.model_ids), np.nan)
    return context.spearman(context.ensembles[0].signals)


def _from_parts(name: str, context: MetricsContext) -> Floats:
    return IN_PARTS[name].figure(parts_of(name, context))


def _ratio(total: np.ndarray, count: np.ndarray) -> Floats:
    """Return total / count, NaN where there is nothing to count."""
    result = np.full(np.shape(total), np.nan)
    np.divide(total, count, out=result, where=np.asarray(count) > 0)
    return result


BUILT_IN = {
    "ic": ic,
    "ic_sharpe": ic_sharpe,
    "hit_rate": hit_rate,
    "mean_return": mean_return,
    "max_drawdown": max_drawdown,
    "sortino_ratio": sortino_ratio,
    "turnover": turnover,
    "model_correlation": model_correlation,
    "fnc": fnc,
    "contribution": contribution,
    "ensemble_correlation": ensemble_correlation,
}
