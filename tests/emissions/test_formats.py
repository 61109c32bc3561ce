"""Prizes and percentages: each adds up to its whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emissions.formats import apportion, percentages
from emissions.frac64 import WHOLE, split

pytestmark = pytest.mark.django_db


def test_prizes_of_two_models():
    assert apportion([600_000_000, 400_000_000], 1_000_000) == [600_000, 400_000]


@given(
    weights=st.lists(st.integers(1, 1000), min_size=1, max_size=60),
    total=st.integers(0, 10**12),
)
def test_nothing_is_lost_when_a_prize_is_split(weights, total):
    shares = split(weights)
    parts = apportion(shares, total)
    assert sum(parts) == total
    assert all(
        abs(part - total * share / WHOLE) < 1.001
        for part, share in zip(parts, shares, strict=True)
    )
    assert round(sum(percentages(shares)), 6) == 100
