from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emissions.frac64 import WHOLE, largest_remainder, split


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50).filter(any))
def test_shares_sum_to_exactly_the_whole_and_are_off_by_less_than_one(weights):
    shares = split(weights)
    assert sum(shares) == WHOLE
    total = sum(weights)
    for weight, share in zip(weights, shares, strict=True):
        assert abs(share - Fraction(weight * WHOLE, total)) < 1


def test_of_equal_remainders_the_earlier_gets_the_odd_billionth():
    assert split([1, 1, 1]) == [333_333_334, 333_333_333, 333_333_333]
    assert split([]) == []


@pytest.mark.parametrize("weights", [[0, 0], [2, -1], [-1]])
def test_weights_that_give_no_share_are_refused(weights):
    with pytest.raises(ValueError, match="negative or all zero"):
        split(weights)


def test_quotas_are_rounded_to_their_sum_rounded_down():
    assert largest_remainder([2, 6, 1], 4) == [1, 1, 0]
