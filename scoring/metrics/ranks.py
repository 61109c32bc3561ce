"""Ranks with averaged ties and correlations of columns that may have gaps (NaN)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Sums of squares below this share of their scale are rounding noise, not variance.
_NO_VARIANCE = 1e-12

_STEADY_BITS = 40


def rank_last(values: Floats) -> Floats:
    """Ranks from 1 along the last axis; ties share their mean rank, NaN stays NaN."""
    order = np.argsort(values, axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    size = values.shape[-1]
    place = np.arange(size)
    starts = np.ones(values.shape, dtype=bool)
    np.not_equal(ordered[..., 1:], ordered[..., :-1], out=starts[..., 1:])
    if starts.all():
        shared = np.broadcast_to(place + 1.0, values.shape)
    else:
        first = np.maximum.accumulate(np.where(starts, place, 0), axis=-1)
        ends = np.ones(values.shape, dtype=bool)
        ends[..., :-1] = starts[..., 1:]
        last = np.where(ends, place, size - 1)[..., ::-1]
        last = np.minimum.accumulate(last, axis=-1)[..., ::-1]
        shared = (first + last) / 2 + 1.0
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, shared, axis=-1)
    ranks[np.isnan(values)] = np.nan
    return ranks


def without_noise(values: Floats, scale: Floats) -> Floats:
    """Differences and means rounded to 40 bits of the numbers that they came from.

    What is equal but was summed in another order would else be no tie. `scale` has the
    size of those numbers; along the last axis its median decides, which no few huge
    ones can move.
    """
    is_silent = np.isnan(scale).all(axis=-1, keepdims=True)
    known = np.where(is_silent, 0.0, scale)
    typical = np.nanmedian(known, axis=-1, keepdims=True)
    quantum = np.ldexp(1.0, np.frexp(typical)[1] - _STEADY_BITS)
    return np.rint(values / quantum) * quantum


def pearson_last(x: Floats, y: Floats) -> Floats:
    """Pearson's r along the last axis over the places where both have a number.

    NaN for fewer than two pairs or a side without variance.
    """
    gap = np.isnan(x) | np.isnan(y)
    if gap.any():
        both = ~gap
        count = both.sum(axis=-1)
        dx, dy = _centred(x, both, count), _centred(y, both, count)
    else:
        count = np.array(gap.shape[-1])
        dx, dy = (side - _mean_last(side) for side in (x, y))
    xx = np.einsum("...i,...i->...", dx, dx)
    yy = np.einsum("...i,...i->...", dy, dy)
    xy = np.einsum("...i,...i->...", dx, dy)
    known = (count >= 2) & (xx > _NO_VARIANCE) & (yy > _NO_VARIANCE)
    r = np.full(known.shape, np.nan)
    np.divide(xy, np.sqrt(xx * yy), out=r, where=known)
    return np.clip(r, -1.0, 1.0)


def _mean_last(values: Floats) -> Floats:
    return values.sum(axis=-1, keepdims=True) / max(values.shape[-1], 1)


def _centred(values: Floats, known: np.ndarray, count: np.ndarray) -> Floats:
    """Differences from the mean of the known; 0 elsewhere."""
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=-1) / np.maximum(count, 1)
    return np.where(known, filled - mean[..., None], 0.0)


def spearman_last(x: Floats, y: Floats) -> Floats:
    """Spearman's rho along the last axis: Pearson's r of the average ranks.

    Ranks are taken over the places where both sides have a number. Source: Spearman,
    "The Proof and Measurement of Association between Two Things", 1904.
    """
    gap = np.isnan(x) | np.isnan(y)
    if gap.any():
        x = np.where(gap, np.nan, x)
        y = np.where(gap, np.nan, y)
    return pearson_last(rank_last(x), rank_last(y))


def pairwise_pearson(rows: Floats) -> Floats:
    """Pearson's r of every two rows over the places where both have a number.

    Matrix products only, so all pairs of 500 rows cost a few of them. NaN as above.
    """
    present = ~np.isnan(rows)
    if present.all():
        centred = rows - _mean_last(rows)
        products = centred @ centred.T
        squares = np.diag(products)
        scale = np.sqrt(np.outer(squares, squares))
        known = np.outer(squares > _NO_VARIANCE, squares > _NO_VARIANCE)
    else:
        mask = present.astype(np.float64)
        # Centring first keeps the differences of large sums below exact enough.
        means = np.nansum(rows, axis=1) / np.maximum(mask.sum(axis=1), 1)
        filled = np.where(present, rows - means[:, None], 0.0)
        count = mask @ mask.T
        safe = np.maximum(count, 1)
        sums = filled @ mask.T  # of row i over the places of row j
        squared = (filled * filled) @ mask.T
        products = filled @ filled.T - sums * sums.T / safe
        spread = squared - sums * sums / safe
        floor = _NO_VARIANCE * np.maximum(squared, 1.0)
        known = (count >= 2) & (spread > floor) & (spread.T > floor.T)
        scale = np.sqrt(np.where(known, spread * spread.T, 1.0))
    r = np.full(products.shape, np.nan)
    np.divide(products, scale, out=r, where=known)
    return np.clip(r, -1.0, 1.0)
