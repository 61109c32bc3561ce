import numpy as np

from core.rounding import means_of_columns, rounded


def test_a_figure_has_twelve_digits_and_bounds():
    assert rounded(1 / 3) == 0.333333333333
    assert rounded(float("nan")) is rounded(2e100) is None


def test_a_mean_is_of_what_is_known():
    found = means_of_columns(np.array([[1.0, np.nan], [3.0, np.nan]]))
    assert found[0] == 2.0
    assert np.isnan(found[1])
