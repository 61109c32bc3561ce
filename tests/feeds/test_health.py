"""Lag, staleness and gaps of feeds."""

from datetime import timedelta

import pytest

from feeds import health
from feeds.subscriptions import subscribe
from feeds.tape import reports
from feeds.tape.writes import append
from tests.conftest import NOW
from tests.feeds.factories import KEY, candle

pytestmark = [
    pytest.mark.usefixtures("tape", "frozen_clock"),
    pytest.mark.django_db(databases=["default", "tape"]),
]


@pytest.mark.parametrize(
    ("minute", "lag_s", "is_stale"), [(-1, 0, False), (-3, 55, False), (-6, 235, True)]
)
def test_lag_is_what_the_rhythm_does_not_explain(minute, lag_s, is_stale):
    subscribe(KEY)
    append([candle(minute)])
    (row,) = health.health(now=NOW)
    assert row.age_s == (-minute - 1) * 60
    assert (row.lag_s, row.is_stale) == (lag_s, is_stale)


def test_a_feed_that_never_came_is_stale_after_a_while():
    subscribe(KEY)
    (early,) = health.health(now=NOW + timedelta(seconds=5))
    (late,) = health.health(now=NOW + timedelta(minutes=5))
    assert (early.is_stale, late.is_stale, late.age_s) == (False, True, None)


def test_gaps_are_found_and_counted():
    subscribe(KEY)
    append([candle(-i) for i in range(1, 11) if i not in (3, 4, 8)])
    (row,) = health.health(now=NOW)
    assert row.missing == 3
    assert reports.gaps(KEY, since=NOW - timedelta(hours=1), until=NOW) == [
        (NOW - timedelta(minutes=8), NOW - timedelta(minutes=7)),
        (NOW - timedelta(minutes=4), NOW - timedelta(minutes=2)),
    ]
