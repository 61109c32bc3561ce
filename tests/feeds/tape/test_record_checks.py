from dataclasses import replace
from datetime import timedelta

import pytest

from feeds.tape.record_checks import OLDEST, SKEW, checker
from feeds.tape.records import FeedKey
from tests.conftest import NOW
from tests.feeds.factories import FEED, candle

KEY = FeedKey(**FEED)
MINUTE = timedelta(minutes=1)


def problem(record, key=KEY):
    return checker(key, newest=NOW + SKEW)(record)


@pytest.mark.parametrize(
    ("low", "opened", "close", "high", "volume"),
    [
        (1.0, 1.0, 1.0, 1.0, 0.0),  # nobody traded
        (1.0, 1.0, 2.0, 2.0, 1.0),
        (1.0, 2.0, 1.0, 2.0, 1.0),
        (1e-9, 1.0, 1.0, 1e12, 1e15),
    ],
)
def test_a_candle_may_open_and_close_at_its_ends(low, opened, close, high, volume):
    values = {"low": low, "open": opened, "close": close, "high": high}
    assert problem(candle(values={**values, "volume": volume})) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"open": 0.5}, "high_below_low"),
        ({"open": 3.5}, "high_below_low"),
        ({"close": 0.5}, "high_below_low"),
        ({"close": 3.5}, "high_below_low"),
        ({"low": 0.0}, "negative"),
        ({"volume": -1e-9}, "negative"),
    ],
)
def test_what_lies_outside_of_low_and_high_is_refused(values, reason):
    sound = {"low": 1.0, "open": 2.0, "close": 2.0, "high": 3.0, "volume": 1.0}
    assert problem(candle(values={**sound, **values})) == reason


@pytest.mark.parametrize(
    ("bid", "ask", "reason"),
    [
        (1.0, 1.0, None),
        (1.0, 2.0, None),
        (2.0, 1.0, "bid_above_ask"),
        (0.0, 1.0, "negative"),
        (1.0, float("inf"), "not_finite"),
    ],
)
def test_a_book_may_be_locked_and_not_crossed(bid, ask, reason):
    key = KEY._replace(kind="depth")
    record = replace(candle(kind="depth"), values={"best_bid": bid, "best_ask": ask})
    assert problem(record, key) == reason


@pytest.mark.parametrize(
    ("at", "is_closed", "reason"),
    [
        (NOW + SKEW - MINUTE, True, None),
        (NOW + SKEW, True, "closed_too_early"),
        (NOW + SKEW, False, None),
        (NOW + SKEW + MINUTE, False, "in_the_future"),
        (OLDEST, True, None),
        (OLDEST - MINUTE, True, "long_ago"),
    ],
)
def test_a_record_lies_between_the_oldest_and_the_newest_instant(at, is_closed, reason):
    assert problem(candle(at=at, is_closed=is_closed)) == reason
