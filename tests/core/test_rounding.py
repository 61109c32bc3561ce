import numpy as np
import pytest

from core.rounding import is_figure, means_of_columns, rounded


def test_a_figure_has_twelve_digits_and_bounds():
    assert rounded(1 / 3) == 0.333333333333
    assert rounded(float("nan")) is rounded(2e100) is None


def test_a_mean_is_of_what_is_known():
    found = means_of_columns(np.array([[1.0, np.nan], [3.0, np.nan]]))
    assert found[0] == 2.0
    assert np.isnan(found[1])


@pytest.mark.parametrize("value", [0, -1.5, 1e308, 10**308])
def test_a_finite_number_is_a_figure(value):
    assert is_figure(value)


@pytest.mark.parametrize(
    "value", [True, None, "1", [1], float("nan"), -float("inf"), 10**400]
)
def test_what_stands_in_the_place_of_a_number_is_none(value):
    assert not is_figure(value)
