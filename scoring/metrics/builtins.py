"""The eleven built-in metrics.

Common rules: a round counts for a model where the model has what the formula needs;
ties get average ranks; no variance, too few rounds or nothing to compare with is NaN
(unknown, never 0); an infinite ratio is unknown. `signal` is the model's number of a
round, `actual` the true return, `score` what the scorer gave. sign(0) = 0, so a model
that says nothing earns nothing.
"""

import numpy as np

from scoring.metrics.context import MetricsContext
from scoring.metrics.ranks import Floats, pairwise_pearson, spearman_last, without_noise

_NO_SPREAD = 1e-12


def ic(predictions: Floats, scores: Floats, context: MetricsContext) -> Floats:
    """Information coefficient: Spearman's rho of signal and actual.

    Source: Grinold and Kahn, "Active Portfolio Management", 1999, with ranks.
    """
    return context.ic


def ic_sharpe(predictions: Floats, scores: Floats, context: MetricsContext) -> Floats:
    """Mean over population standard deviation of the ICs of consecutive chunks.

    Chunks are the same rounds for all models: max(2, n // max(3, n // 10)) rounds each,
    an incomplete last one is dropped. At least 4 rounds and 2 known ICs.
    """
    rounds = len(context.actuals)
    unknown = np.full(len(context.model_ids), np.nan)
    if rounds < 4:
        return unknown
    size = max(2, rounds // max(3, rounds // 10))
    used = rounds // size * size
    chunks = (rounds // size, size)
    ics = spearman_last(
        context.paired[:, :used].reshape(-1, *chunks),
        context.actuals[:used].reshape(chunks),
    )
    known = ~np.isnan(ics)
    count = known.sum(axis=1)
    safe = np.maximum(count, 1)
    mean = np.where(known, ics, 0.0).sum(axis=1) / safe
    deviation = np.where(known, ics - mean[:, None], 0.0)
    std = np.sqrt((deviation**2).sum(axis=1) / safe)
    enough = (count >= 2) & (std > _NO_SPREAD)
    return np.divide(mean, std, out=unknown, where=enough)


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
    known = ~np.isnan(scores)
    running = np.cumsum(np.where(known, scores, 0.0), axis=0)
    peak = np.maximum(np.maximum.accumulate(running, axis=0), 0.0)
    deepest = np.min(running - peak, axis=0, initial=0.0)
    return np.where(known.sum(axis=0) >= 2, deepest, np.nan)


def sortino_ratio(
    predictions: Floats, scores: Floats, context: MetricsContext
) -> Floats:
    """Mean of sign(signal) * actual over the root mean square of its negative values.

    The mean square runs over the negative returns alone; without one it is unknown.
    Source: Sortino and Price, "Performance Measurement in a Downside Risk Framework",
    1994, with a target of 0. At least 2 rounds.
    """
    returns = np.sign(context.paired) * context.actuals
    losses = np.where(returns < 0, returns, 0.0)
    lost = (losses < 0).sum(axis=1)
    downside = np.sqrt((losses**2).sum(axis=1) / np.maximum(lost, 1))
    mean = _ratio(np.nan_to_num(returns).sum(axis=1), context.pair_counts)
    enough = (context.pair_counts >= 2) & (downside > _NO_SPREAD)
    unknown = np.full(mean.shape, np.nan)
    return np.divide(mean, downside, out=unknown, where=enough)


def turnover(predictions: Floats, scores: Floats, context: MetricsContext) -> Floats:
    """Mean absolute change of the signal from one round to the next of its scope.

    A round that the model did not answer is skipped: the change is from the answer
    before it. At least one change.
    """
    total = np.zeros(len(context.model_ids))
    changes = np.zeros(len(context.model_ids))
    for scope in np.unique(context.scopes):
        signals = predictions[context.scopes == scope]
        known = ~np.isnan(signals)
        row = np.where(known, np.arange(len(signals))[:, None], -1)
        latest = np.maximum.accumulate(row, axis=0)[:-1]
        before = np.take_along_axis(signals, np.maximum(latest, 0), axis=0)
        change = np.where(latest >= 0, np.abs(signals[1:] - before), np.nan)
        total += np.nansum(change, axis=0)
        changes += (~np.isnan(change)).sum(axis=0)
    return _ratio(total, changes)


def model_correlation(
    predictions: Floats, scores: Floats, context: MetricsContext
) -> Floats:
    """Mean Spearman's rho of the model's signals with each other model's.

    Each model is ranked over its own rounds; a pair is compared over the rounds of
    both, which is exact where no answer is missing.
    """
    pairs = pairwise_pearson(context.ranks)
    np.fill_diagonal(pairs, np.nan)
    known = ~np.isnan(pairs)
    return _ratio(np.where(known, pairs, 0.0).sum(axis=1), known.sum(axis=1))


def fnc(predictions: Floats, scores: Floats, context: MetricsContext) -> Floats:
    """Feature-neutral correlation: IC of the signal less the mean signal of all models.

    Of a single model it is the IC. Source: Numerai's FNC, with the models' mean as the
    one feature.
    """
    if len(context.model_ids) < 2:
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

    0 for a model that the ensemble holds with weight 0.
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
    return whole - spearman_last(without, context.actuals)


def ensemble_correlation(
    predictions: Floats, scores: Floats, context: MetricsContext
) -> Floats:
    """Spearman's rho of the model's signals with the first ensemble's."""
    if not context.ensembles:
        return np.full(len(context.model_ids), np.nan)
    return context.spearman(context.ensembles[0].signals)


def _ratio(total: np.ndarray, count: np.ndarray) -> Floats:
    """total / count, NaN where there is nothing to count."""
    result = np.full(np.shape(total), np.nan)
    return np.divide(total, count, out=result, where=np.asarray(count) > 0)


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
