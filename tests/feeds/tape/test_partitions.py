"""Months of the tape: made ahead, filled, and strays counted."""

from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa

from feeds.tape import partitions
from feeds.tape.engine import transaction
from feeds.tape.writes import append
from tests.feeds.factories import candle
from tests.feeds.tape.conftest import scalar

pytestmark = pytest.mark.usefixtures("tape", "frozen_clock")


def test_months_are_made_ahead():
    partitions.create_ahead(now=datetime(2031, 11, 5, tzinfo=UTC), months=2)
    names = [partition.name for partition in partitions.existing()]
    try:
        assert names[-3:] == [
            "feed_records_y2031m11",
            "feed_records_y2031m12",
            "feed_records_y2032m01",
        ]
        again = partitions.create_ahead(now=datetime(2031, 11, 5, tzinfo=UTC), months=2)
        assert again == []
    finally:
        for name in names:
            if "y203" in name:
                year, month = int(name[-7:-3]), int(name[-2:])
                partitions.drop(date(year, month, 1))


def test_a_record_goes_to_its_month():
    append([candle(at=datetime(2026, 1, 31, 23, 59, tzinfo=UTC))])
    assert scalar("SELECT count(*) FROM tape.feed_records_y2026m01") == 1


def test_the_default_partition_is_counted():
    with transaction() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO tape.feed_records VALUES "
                "('s', 's', 'tick', '1s', '1999-01-01Z', now(), true, '{}', '{}')"
            )
        )
    assert partitions.rows_in_default() == 1
