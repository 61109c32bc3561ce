"""How long the tape is kept."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from feeds.tape import partitions, retention
from feeds.tape.engine import transaction
from feeds.tape.writes import append
from tests.conftest import NOW
from tests.feeds.factories import candle

pytestmark = pytest.mark.usefixtures("tape", "frozen_clock")


def test_retention_goes_by_event_time(env):
    env(feed_record_ttl_days=90)
    oldest = retention.oldest_kept(NOW)
    append(
        [
            candle(at=datetime(2025, 10, 1, tzinfo=UTC)),
            candle(at=oldest.replace(hour=0)),
            candle(at=oldest),
            candle(-1),
        ]
    )
    dropped = retention.prune(now=NOW)
    assert date(2025, 10, 1) in dropped
    with transaction() as connection:
        left = connection.scalars(
            sa.text("SELECT ts_event FROM tape.feed_records ORDER BY 1")
        ).all()
    assert left == [oldest, candle(-1).ts_event]


def test_maintenance_reports_strays(monkeypatch, caplog):
    monkeypatch.setattr(partitions, "rows_in_default", lambda: 3)
    with caplog.at_level("ERROR"):
        retention.maintain(now=NOW)
    assert "tape.default_partition_not_empty" in caplog.text


def test_what_is_as_old_as_retention_to_the_instant_is_kept(env):
    env(feed_record_ttl_days=90)
    limit = candle(-1).ts_event - timedelta(days=90)
    append([candle(at=limit), candle(at=limit - timedelta(minutes=1)), candle(-1)])
    retention.prune(now=NOW)
    with transaction() as connection:
        left = connection.scalars(
            sa.text("SELECT ts_event FROM tape.feed_records ORDER BY 1")
        ).all()
    assert left == [limit, candle(-1).ts_event]


@pytest.mark.parametrize(
    ("kind", "granularity", "kept"),
    [
        ("candle", "1d", True),
        ("candle", "7d", True),
        ("candle", "12h", False),
        ("tick", "1d", False),
    ],
)
def test_candles_of_a_day_and_longer_are_kept_for_ever(kind, granularity, kept):
    assert retention.is_kept(kind, granularity) is kept


def test_what_is_written_before_it_goes_is_what_was_closed(env, monkeypatch):
    env(feed_record_ttl_days=90, feed_prune_export=True)
    old = datetime(2025, 10, 1, tzinfo=UTC)
    append([candle(at=old), candle(-1)])
    append([candle(at=old.replace(hour=1), is_closed=False)])
    written = []
    monkeypatch.setattr("feeds.tape.parquet.write", written.extend)
    retention.prune(now=NOW)
    assert [record.ts_event for record in written] == [old]
