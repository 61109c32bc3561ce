"""How long the tape is kept."""

from datetime import UTC, date, datetime

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
