"""Reports about the whole tape."""

from datetime import timedelta

import pytest

from feeds.tape import reads, reports
from feeds.tape.writes import append
from tests.conftest import NOW
from tests.feeds.factories import KEY, candle

pytestmark = pytest.mark.usefixtures("tape", "frozen_clock")
MINUTE = timedelta(minutes=1)


def test_a_summary_has_the_extent_of_its_feed():
    append([candle(-3), candle(-2), candle(0, is_closed=False)])
    [found] = reports.summaries()
    assert found.key == KEY
    assert (found.record_count, found.watermark_ts) == (3, NOW - 2 * MINUTE)
    assert (found.oldest_ts, found.newest_ts) == (NOW - 3 * MINUTE, NOW)
    assert found.watermark_updated_at == NOW


def test_gaps_and_missing_candles_are_between_the_first_and_the_last():
    append([candle(-9), candle(-5), candle(-4)])
    assert reports.gaps(KEY, since=NOW - 60 * MINUTE, until=NOW) == [
        (NOW - 8 * MINUTE, NOW - 5 * MINUTE)
    ]
    assert reports.missing_candles(since=NOW - 60 * MINUTE) == {KEY: 3}
    ticks = KEY._replace(kind="tick")
    assert reports.gaps(ticks, since=NOW - 60 * MINUTE, until=NOW) == []


def test_the_newest_of_all_feeds_are_walked_page_by_page():
    append([candle(-i, subject=s) for i in (1, 2) for s in ("A", "B")])
    seen, before, before_id = [], None, ""
    while page := reports.newest_of_feeds(
        wanted={}, before=before, before_id=before_id, limit=3
    ):
        seen += [(row.subject, row.ts_event) for row in page]
        before, before_id = page[-1].ts_event, page[-1].id
    assert seen == [(s, NOW - i * MINUTE) for i in (1, 2) for s in ("A", "B")]
    found = reports.newest_of_feeds(
        wanted={"subject": "B"}, before=None, before_id="", limit=9
    )
    assert [row.subject for row in found] == ["B", "B"]


def test_daily_candles_have_a_turnover_given_or_estimated():
    day = NOW.replace(hour=0) - timedelta(days=2)
    values = {"quote_volume": 7.0}
    append(
        [
            candle(at=day, granularity="1d", subject="A", values=values),
            candle(at=day, granularity="1d", subject="B"),
        ]
    )
    found = reports.daily_candles(source="simulated", before=day + timedelta(days=1))
    assert [(row[0], row[1], row[-1]) for row in found] == [
        (day.date(), "A", 7.0),
        (day.date(), "B", 10.0 * 100.5),
    ]
    assert reports.daily_candles(source="simulated", before=day) == []


def test_whether_a_source_has_feeds_is_known():
    assert not reads.has_feeds(source="simulated", kind="candle", granularity="1m")
    append([candle(-1)])
    assert reads.has_feeds(source="simulated", kind="candle", granularity="1m")
    assert not reads.has_feeds(source="simulated", kind="candle", granularity="1d")
