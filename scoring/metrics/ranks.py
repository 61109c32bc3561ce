"""Ranks with averaged ties and correlations of columns that may have gaps (NaN)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Squares of ranks that differ at all sum up to more.
_NO_VARIANCE = 1e-12
# Numbers that differ by less than this share of their size differ by rounding alone.
_NOISE = 1e-12

_STEADY_BITS = 40


def rank_last(values: Floats) -> Floats:
    """Ranks from 1 along the last axis; ties share their mean rank, NaN stays NaN.

    Neighbours that differ by rounding alone are ties, so a series that is constant but
    for rounding has no spread.
    """
    order = np.argsort(values, axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    first, last = _ends_of_ties(ordered)
    shared = (first + last) / 2 + 1.0
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, shared, axis=-1)
    ranks[np.isnan(values)] = np.nan
    return ranks


def _ends_of_ties(ordered: Floats) -> tuple[np.ndarray, np.ndarray]:
    """Return for each place of sorted rows the first and the last place of its tie."""
    size = ordered.shape[-1]
    place = np.arange(size)
    starts = np.ones(ordered.shape, dtype=bool)
    starts[..., 1:] = _is_above(ordered)
    if starts.all():
        own = np.broadcast_to(place, ordered.shape)
        return own, own
    first = np.maximum.accumulate(np.where(starts, place, 0), axis=-1)
    ends = np.ones(ordered.shape, dtype=bool)
    ends[..., :-1] = starts[..., 1:]
    last = np.where(ends, place, size - 1)[..., ::-1]
    return first, np.minimum.accumulate(last, axis=-1)[..., ::-1]


def _is_above(ordered: Floats) -> np.ndarray:
    """Whether each sorted number but the first is more than the one before; NaN is."""
    upper, lower = ordered[..., 1:], ordered[..., :-1]
    steps = upper - lower
    is_tie = steps <= 0
    largest = np.fmax(
        -np.fmin.reduce(ordered, axis=None, initial=0.0),
        np.fmax.reduce(ordered, axis=None, initial=0.0),
    )
    # Looked at one by one only if there is a step that small among the largest.
    is_small = steps <= _NOISE * largest
    if np.count_nonzero(is_small) > np.count_nonzero(is_tie):
        is_tie |= steps <= _NOISE * np.maximum(np.abs(upper), np.abs(lower))
    return ~is_tie


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
    steady: Floats = np.rint(values / quantum) * quantum
    return steady


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
    np.clip(r, -1.0, 1.0, out=r)
    return r


def _mean_last(values: Floats) -> Floats:
    mean: Floats = values.sum(axis=-1, keepdims=True) / max(values.shape[-1], 1)
    return mean


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


def pairwise_spearman(rows: Floats, ranks: Floats | None = None) -> Floats:
    """Spearman's rho of every two rows, over the places where both have a number.

    Ranks are taken over those places. `ranks` are the rows' own (`rank_last`), if they
    are known already. Rows without gaps share one matrix product; each row with a gap
    costs a pass over the matrix. NaN as above.
    """
    present = ~np.isnan(rows)
    is_whole = present.all(axis=1)
    r = np.full((len(rows), len(rows)), np.nan)
    whole = np.flatnonzero(is_whole)
    of_whole = rank_last(rows[whole]) if ranks is None else ranks[whole]
    r[np.ix_(whole, whole)] = _pearson_of_whole(of_whole)
    gapped = np.flatnonzero(~is_whole).tolist()
    if gapped:
        ties = _Ties.of(rows)
        for i in gapped:
            r[i] = r[:, i] = _spearman_with(i, present, ties)
    return r


def _pearson_of_whole(rows: Floats) -> Floats:
    centred = rows - _mean_last(rows)
    products = centred @ centred.T
    squares = np.diag(products)
    known = np.outer(squares > _NO_VARIANCE, squares > _NO_VARIANCE)
    r = np.full(products.shape, np.nan)
    np.divide(products, np.sqrt(np.outer(squares, squares)), out=r, where=known)
    np.clip(r, -1.0, 1.0, out=r)
    return r


class _Ties(NamedTuple):
    """Each row sorted: its places in order, where the ties of each begin and end."""

    order: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @classmethod
    def of(cls, rows: Floats) -> "_Ties":
        order = np.argsort(rows, axis=-1)
        ordered = np.take_along_axis(rows, order, axis=-1)
        return cls(order, *_ends_of_ties(ordered))


def _spearman_with(i: int, present: np.ndarray, ties: _Ties) -> Floats:
    """Spearman's rho of row i with every row, over the places of both.

    A rank among some places is a count of them up to there, so no row is sorted again.
    """
    both = present & present[i]
    count = both.sum(axis=1)
    size = both.shape[1]
    own = _ranks_among(
        both[:, ties.order[i]],
        np.broadcast_to(ties.first[i], both.shape),
        np.broadcast_to(ties.last[i], both.shape),
    )
    own_at = np.empty((len(both), size))
    own_at[:, ties.order[i]] = own
    theirs = _ranks_among(
        np.take_along_axis(both, ties.order, axis=1), ties.first, ties.last
    )
    theirs_at = np.empty((len(both), size))
    np.put_along_axis(theirs_at, ties.order, theirs, axis=1)
    middle = (count[:, None] + 1) / 2
    x, y = (np.where(both, side - middle, 0.0) for side in (own_at, theirs_at))
    xx, yy, xy = ((a * b).sum(axis=1) for a, b in ((x, x), (y, y), (x, y)))
    known = (count >= 2) & (xx > _NO_VARIANCE) & (yy > _NO_VARIANCE)
    r = np.full(known.shape, np.nan)
    np.divide(xy, np.sqrt(xx * yy), out=r, where=known)
    np.clip(r, -1.0, 1.0, out=r)
    return r


def _ranks_among(kept: np.ndarray, first: np.ndarray, last: np.ndarray) -> Floats:
    """Average ranks of sorted places among the kept ones."""
    upto = np.zeros((len(kept), kept.shape[1] + 1), dtype=np.int64)
    np.cumsum(kept, axis=1, out=upto[:, 1:])
    below = np.take_along_axis(upto, first, axis=1)
    within = np.take_along_axis(upto, last + 1, axis=1)
    ranks: Floats = (below + within + 1) / 2
    return ranks
