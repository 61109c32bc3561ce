from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import grid

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
INSTANTS = st.integers(0, 10**15).map(
    lambda us: datetime(1971, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
)
LENGTHS = st.integers(1, 10**7)


@given(INSTANTS, LENGTHS)
def test_the_following_multiple_is_the_first_later_one(at, length_s):
    next_at = grid.following(at, length_s)
    assert timedelta(0) < next_at - at <= timedelta(seconds=length_s)
    assert (next_at - grid.EPOCH) % timedelta(seconds=length_s) == timedelta(0)


@given(INSTANTS, LENGTHS)
def test_an_instant_on_the_grid_is_its_own_first_multiple(at, length_s):
    on_grid = grid.floor(at, length_s)
    assert grid.at_or_after(on_grid, length_s) == on_grid
    assert grid.at_or_after(at, length_s) - at < timedelta(seconds=length_s)


@given(INSTANTS, LENGTHS)
def test_what_follows_now_is_never_astray(at, length_s):
    next_at = grid.following(at, length_s)
    assert not grid.is_astray(next_at, now=at, interval_s=length_s)


@pytest.mark.parametrize(
    ("ahead_s", "astray"), [(-60, False), (60, False), (61, True), (86_400, True)]
)
def test_what_lies_further_ahead_than_its_interval_is_astray(ahead_s, astray):
    next_at = NOW + timedelta(seconds=ahead_s)
    assert grid.is_astray(next_at, now=NOW, interval_s=60) is astray


@pytest.mark.parametrize(
    ("at_s", "first"),
    [(0.0, 0), (0.1, 60), (60.0, 60), (60.000001, 120), (-0.5, 0), (-60.5, -60)],
)
def test_seconds_are_rounded_up_onto_the_grid(at_s, first):
    assert grid.ceil_s(at_s, 60) == first


def test_a_period_holds_its_start_and_not_its_end():
    hour = grid.Period(NOW, NOW + timedelta(hours=1))
    assert hour.holds(hour.start)
    assert not hour.holds(hour.end)
    assert hour.before == grid.Period(NOW - timedelta(hours=1), NOW)
    assert grid.Period(NOW).holds(NOW + timedelta(days=10_000))
