"""How figures are rounded and averaged, wherever they are shown."""

import numpy as np
from numpy.typing import NDArray

# Larger numbers count as unknown, so that no sum overflows.
LARGEST = 1e100
# Enough for any decision, and few enough to hide the order of summation.
_FORMAT = "%.12g"


def rounded(value: float) -> float | None:
    """Return a figure as it is stored: NULL when out of bounds, else of 12 digits."""
    return float(_FORMAT % value) if abs(value) <= LARGEST else None


def means_of_columns(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each column's known values; NaN where none is known."""
    counts = (~np.isnan(matrix)).sum(axis=0)
    means = np.full(counts.shape, np.nan)
    np.divide(np.nansum(matrix, axis=0), counts, out=means, where=counts > 0)
    return means
