"""How sure a mean of overlapping rounds is.

Rounds whose horizons overlap share most of their return, so they count for less than
their number. The variance of the mean is that of Newey and West, "A Simple, Positive
Semi-definite, Heteroskedasticity and Autocorrelation Consistent Covariance Matrix",
1987, with as many lags as rounds overlap.
"""

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


def mean_interval(values: NDArray[np.float64], *, overlap: int) -> MeanInterval:
    """Return the mean of scores in the order of their rounds, and how sure it is.

    `overlap` is how many later rounds begin before one ends: horizon / interval - 1,
    rounded up. Unknown scores (NaN) are left out.
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
    long_run = variance
    for lag in range(1, lags + 1):
        weight = 1 - lag / (lags + 1)
        long_run += 2 * weight * float(spread[lag:] @ spread[:-lag]) / count
    error = float(np.sqrt(long_run / (count - 1)))
    n_eff = min(float(count), count * variance / long_run)
    return MeanInterval(mean, mean - _Z_95 * error, mean + _Z_95 * error, n_eff)
