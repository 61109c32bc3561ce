from datetime import timedelta

import numpy as np
import pytest

from feeds.tape import reads
from feeds.tape.records import FeedKey, FeedRecord
from feeds.tape.writes import append
from tests.conftest import NOW
from tests.feeds.factories import FEED, KEY, candle

pytestmark = pytest.mark.usefixtures("tape", "frozen_clock")


def minutes(records):
    return [(record.ts_event - NOW) / timedelta(minutes=1) for record in records]


def test_the_newest_window_is_the_newest_and_ascending():
    append([candle(-i, 100.0 + i) for i in range(1, 501)])
    window = reads.newest_closed(key=KEY, at=NOW, limit=120)
    assert minutes(window) == list(range(-120, 0))
    assert window[-1] == candle(-1, 101.0)


def test_a_candle_counts_from_its_close():
    append([candle(-2), candle(-1), candle(0)])
    assert minutes(reads.newest_closed(key=KEY, at=NOW, limit=9)) == [-2, -1]
    just_before = NOW - timedelta(microseconds=1)
    assert minutes(reads.newest_closed(key=KEY, at=just_before, limit=9)) == [-2]


def test_open_candles_are_not_shown():
    append([candle(-2), candle(-1, is_closed=False)])
    assert minutes(reads.newest_closed(key=KEY, at=NOW, limit=9)) == [-2]


def test_gaps_do_not_shorten_the_window():
    append([candle(-1), candle(-5_000), candle(-90_000)])
    window = reads.newest_closed(key=KEY, at=NOW, limit=3)
    assert minutes(window) == [-90_000, -5_000, -1]


def test_many_subjects_take_one_statement(tape_statements):
    append([candle(-i, subject=s) for i in (1, 2, 3) for s in ("A", "B")])
    with tape_statements() as seen:
        found = reads.newest_closed_many(
            source="simulated",
            subjects=["A", "B", "NONE"],
            kind="candle",
            granularity="1m",
            at=NOW,
            limit=2,
        )
    assert {subject: minutes(records) for subject, records in found.items()} == {
        "A": [-2, -1],
        "B": [-2, -1],
        "NONE": [],
    }
    assert len(seen) == 1


def test_prices_begin_with_the_last_one_before_the_period(tape_statements):
    append([candle(-10, 100.0), candle(-4, 104.0), candle(-2, 102.0), candle(0)])
    with tape_statements() as seen:
        prices = reads.closed_prices(
            key=KEY, since=NOW - timedelta(minutes=5), until=NOW
        )
    assert len(seen) == 1
    closes = [NOW - timedelta(minutes=m) for m in (9, 3, 1)]
    assert prices.closed_at.tolist() == [at.timestamp() for at in closes]
    assert prices.price.tolist() == [100.5, 104.5, 102.5]
    assert prices.price.dtype == np.float64


def test_both_ends_of_the_period_belong_to_it():
    append([candle(-3), candle(-2), candle(-1)])
    prices = reads.closed_prices(
        key=KEY, since=NOW - timedelta(minutes=1), until=NOW - timedelta(minutes=1)
    )
    assert prices.closed_at.tolist() == [(NOW - timedelta(minutes=1)).timestamp()]


def test_an_open_candle_is_never_truth():
    append(
        [candle(-3, is_closed=False), candle(-2, 102.0), candle(-1, is_closed=False)]
    )
    prices = reads.closed_prices(key=KEY, since=NOW - timedelta(hours=1), until=NOW)
    assert prices.price.tolist() == [102.5]


def test_no_prices_are_two_empty_columns():
    prices = reads.closed_prices(key=KEY, since=NOW - timedelta(hours=1), until=NOW)
    assert prices.closed_at.shape == prices.price.shape == (0,)


def test_a_tick_counts_at_its_own_instant():
    tick = {**FEED, "kind": "tick", "granularity": "1s"}
    append([FeedRecord(**tick, ts_event=NOW, values={"price": 7.0})])
    prices = reads.closed_prices(key=FeedKey(**tick), since=NOW, until=NOW)
    assert prices.closed_at.tolist() == [NOW.timestamp()]
    assert prices.price.tolist() == [7.0]
    assert len(reads.newest_closed(key=FeedKey(**tick), at=NOW, limit=1)) == 1


def test_what_a_feed_has_seen_is_of_its_source_and_not_of_the_future():
    """A watermark that lies ahead was set by a clock that was."""
    assert reads.newest_seen(at=NOW) is None
    append([candle(-9), candle(-8, subject="ETHUSDT"), candle(-7, source="binance")])
    seen = [
        reads.newest_seen(at=NOW),
        reads.newest_seen(at=NOW, source="simulated"),
        reads.newest_seen(at=NOW - timedelta(minutes=8), source="simulated"),
        reads.newest_seen(at=NOW - timedelta(minutes=8.5)),
        reads.newest_seen(at=NOW - timedelta(minutes=10)),
        reads.newest_seen(at=NOW, source="pyth"),
    ]
    minutes_ago = [at and (NOW - at) / timedelta(minutes=1) for at in seen]
    assert minutes_ago == [7, 8, 8, 9, None, None]


def test_whole_records_of_a_stretch_are_the_closed_ones_as_they_were():
    append(
        [candle(-3, 1.0), candle(-2, 2.0), candle(-1, 3.0), candle(0, is_closed=False)]
    )
    since, until = NOW - timedelta(minutes=1), NOW
    found = reads.closed_records(key=KEY, since=since, until=until)
    assert found == [candle(-2, 2.0), candle(-1, 3.0)]
    assert all(record.is_closed for record in found)
