"""How sure a mean of overlapping rounds is.

Rounds whose horizons overlap share most of their return, so they count for less than
their number. The variance of the mean is that of Hansen and Hodrick, "Forward Exchange
Rates as Optimal Predictors of Future Spot Rates", 1980, with as many lags as rounds
overlap. In a short series it may be far too low: it is never below that of Newey and
West, "A Simple, Positive Semi-definite, Heteroskedasticity and Autocorrelation
Consistent Covariance Matrix", 1987, which for such rounds is a third too low.
"""

import math
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Of the normal distribution: 95 % lie within this many standard errors.
_Z_95 = 1.959963984540054


class MeanInterval(NamedTuple):
    """A mean, its 95 % interval, and how many independent rounds it is worth.

    NaN where too few rounds are known.
    """

    mean: float
    low: float
    high: float
    n_eff: float


def overlap_of(questions: Collection[tuple[float, float]]) -> int:
    """Return how many later rounds begin before one ends, of all that are asked.

    A question is a horizon and an interval in seconds; one of them overlaps with the
    others, too, as their markets move together.
    """
    longest_s = max(horizon_s for horizon_s, _ in questions)
    return sum(math.ceil(longest_s / every_s) for _, every_s in questions) - 1


def mean_interval(values: NDArray[np.float64], *, overlap: int) -> MeanInterval:
    """Return the mean of scores in the order of their rounds, and how sure it is.

    `overlap` is how many later rounds begin before one ends. Unknown scores (NaN) are
    left out.
    """
    known = values[~np.isnan(values)]
    count = len(known)
    if not count:
        return MeanInterval(np.nan, np.nan, np.nan, 0.0)
    mean = float(known.mean())
    spread = known - mean
    variance = float(spread @ spread) / count
    if count < 2 or variance == 0:
        return MeanInterval(mean, np.nan, np.nan, float(count))
    lags = max(0, min(overlap, count - 1))
    even = fading = variance
    for lag in range(1, lags + 1):
        shared = 2 * float(spread[lag:] @ spread[:-lag]) / count
        even += shared
        fading += (1 - lag / (lags + 1)) * shared
    long_run = max(even, fading)
    error = float(np.sqrt(long_run / (count - 1)))
    n_eff = min(float(count), count * variance / long_run)
    return MeanInterval(mean, mean - _Z_95 * error, mean + _Z_95 * error, n_eff)
