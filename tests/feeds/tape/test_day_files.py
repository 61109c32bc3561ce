"""A day that is over is a file; what is not over, or not on the tape, is none."""

import hashlib
from datetime import date, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from core import clock
from feeds import backfill, backfill_jobs
from feeds.tape import parquet
from feeds.tape.day_files import DaysError, days, find_day, forget
from feeds.tape.engine import transaction
from feeds.tape.records import FeedKey, FeedRecord
from feeds.tape.tables import feed_records
from feeds.tape.writes import append
from tests.conftest import NOW

KEY = FeedKey("simulated", "BTCUSDT", "candle", "1h")
TODAY = NOW.date()
DAY = timedelta(days=1)


def ohlcv(price):
    return dict.fromkeys(("open", "high", "low", "close"), price) | {"volume": 1}


@pytest.fixture(autouse=True)
def _store(tape, frozen_clock, monkeypatch, tmp_path):
    monkeypatch.setattr(parquet, "base", lambda: tmp_path / "backfill")
    midnight = NOW.replace(hour=0)
    append(
        [
            FeedRecord(*KEY, midnight + timedelta(hours=h), ohlcv(100.0 + h))
            for h in range(-30, 12)
            if h != -5
        ]
    )


def test_a_whole_day_is_a_file_with_its_digest():
    [_, found] = days(KEY, first=TODAY - 2 * DAY, last=TODAY)
    assert (found.date, found.records) == (TODAY - DAY, 23)
    data = found.path.read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (
        found.size_bytes,
        found.sha256,
    )
    with np.load(found.path, allow_pickle=False) as arrays:
        assert set(arrays.files) == {"opened_us", *ohlcv(1)}
        assert arrays["close"].tolist() == [76.0 + h for h in range(24) if h != 19]


def test_the_same_day_is_the_same_bytes():
    first = [found.sha256 for found in days(KEY, first=TODAY - DAY, last=TODAY)]
    for found in days(KEY, first=TODAY - DAY, last=TODAY):
        found.path.unlink()
    assert [f.sha256 for f in days(KEY, first=TODAY - DAY, last=TODAY)] == first


def test_records_that_come_late_are_in_the_next_version_of_the_file():
    [before] = days(KEY, first=TODAY - DAY, last=TODAY)
    late = NOW.replace(hour=0) - timedelta(hours=5)
    append([FeedRecord(*KEY, late, ohlcv(95.0))])
    [after] = days(KEY, first=TODAY - DAY, last=TODAY)
    assert (before.records, after.records) == (23, 24)
    with np.load(after.path, allow_pickle=False) as arrays:
        assert arrays["close"].tolist() == [76.0 + h for h in range(24)]


def test_a_day_that_a_backfill_corrects_is_made_anew():
    [before] = days(KEY, first=TODAY - DAY, last=TODAY)
    midnight = NOW.replace(hour=0)
    job = backfill_jobs.start(
        key=KEY,
        start_at=midnight - DAY,
        end_at=midnight - timedelta(hours=12),
        sink="tape",
    )
    backfill.run(job_id=job.pk)
    [after] = days(KEY, first=TODAY - DAY, last=TODAY)
    assert (after.records, after.sha256 != before.sha256) == (23, True)
    with np.load(after.path, allow_pickle=False) as arrays:
        assert arrays["close"][0] != 76.0
        assert arrays["close"][-1] == 99.0


def test_a_file_keeps_what_retention_drops_from_the_tape():
    [before] = days(KEY, first=TODAY - DAY, last=TODAY)
    with transaction() as connection:
        connection.execute(sa.delete(feed_records))
    forget(KEY, [before.date])
    assert list(days(KEY, first=TODAY - DAY, last=TODAY)) == [before]


def test_today_and_days_that_the_tape_has_not_reached_are_no_files():
    with clock.use(clock.Frozen(start=NOW + 3 * DAY, anchor=NOW + 3 * DAY)):
        found = [each.date for each in days(KEY, first=TODAY, last=TODAY + DAY)]
    assert found == []


def test_a_file_is_found_by_its_address_and_nothing_else_is():
    [*_, found] = days(KEY, first=TODAY - DAY, last=TODAY)
    assert find_day((*KEY, found.path.name)) == found.path
    for name in ("..", "2026-13-01.npz", "2026-03-01.parquet", "2026-02-01.npz"):
        assert find_day((*KEY, name)) is None
    assert find_day(("..", *KEY[1:], found.path.name)) is None


@pytest.mark.parametrize(
    ("key", "last", "message"),
    [(KEY, TODAY + 99 * DAY, "at most 62"), (KEY._replace(source=".."), TODAY, "feed")],
)
def test_odd_questions_are_refused(key, last, message):
    with pytest.raises(DaysError, match=message):
        list(days(key, first=TODAY, last=last))


def test_a_feed_that_is_not_on_the_tape_has_no_days():
    unknown = KEY._replace(subject="NOBODY")
    assert list(days(unknown, first=date(2026, 1, 1), last=date(2026, 1, 2))) == []
