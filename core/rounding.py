"""How figures are rounded and averaged, wherever they are shown."""

import math
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

# Larger numbers count as unknown, so that no sum overflows.
LARGEST = 1e100
# Enough for any decision, and few enough to hide the order of summation.
_FORMAT = "%.12g"


def rounded(value: float) -> float | None:
    """Return a figure as it is stored: NULL when out of bounds, else of 12 digits."""
    return float(_FORMAT % value) if abs(value) <= LARGEST else None


def is_figure(value: Any) -> TypeGuard[float]:
    """Return whether a value of somebody's JSON is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int that no float holds
        return False


def means_of_columns(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each column's known values; NaN where none is known."""
    counts = (~np.isnan(matrix)).sum(axis=0)
    means = np.full(counts.shape, np.nan)
    np.divide(np.nansum(matrix, axis=0), counts, out=means, where=counts > 0)
    return means
