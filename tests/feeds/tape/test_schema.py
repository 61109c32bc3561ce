import io
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from django.core.management import call_command
from django.db import connections

from feeds.models import FeedIngestionState, FeedRecord
from feeds.tape import partitions, retention, schema
from feeds.tape.engine import engine, transaction
from feeds.tape.tables import metadata
from feeds.tape.writes import append
from tests.conftest import NOW
from tests.feeds.factories import candle

pytestmark = pytest.mark.usefixtures("tape", "frozen_clock")


def scalar(statement):
    with transaction() as connection:
        return connection.scalar(sa.text(statement))


def test_the_tape_lies_in_the_test_database():
    assert (
        scalar("SELECT current_database()")
        == (connections["default"].settings_dict["NAME"])
    )
    assert scalar("SELECT current_database()").startswith("test_")


def test_the_migrations_build_what_the_definitions_say():
    def ours(thing, name, kind, reflected, compared):
        return kind != "table" or not name.startswith("feed_records_")

    with engine().connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: (
                    kind != "schema" or name == "tape"
                ),
                "include_object": ours,
                "version_table_schema": "tape",
            },
        )
        assert compare_metadata(context, metadata) == []


def test_nothing_is_pending_and_migrating_again_is_harmless():
    assert schema.pending() == []
    schema.upgrade()


def test_migrate_says_what_the_tape_lacks():
    with transaction() as connection:
        connection.execute(sa.text("DELETE FROM tape.alembic_version"))
    try:
        out = io.StringIO()
        with pytest.raises(SystemExit):
            call_command("migrate", check_unapplied=True, stdout=out)
        assert "tape 0001" in out.getvalue()
    finally:
        with transaction() as connection:
            connection.execute(
                sa.text("INSERT INTO tape.alembic_version VALUES ('0001')")
            )


def test_both_vocabularies_read_the_tape():
    append([candle(-1)])
    assert scalar("SELECT provider || asset FROM tape.market_records") == (
        "simulatedBTCUSDT"
    )
    assert scalar("SELECT asset FROM tape.market_ingestion_state") == "BTCUSDT"


def test_django_reads_the_tape():
    append([candle(-1)])
    (record,) = FeedRecord.objects.using("default").filter(subject="BTCUSDT")
    assert (record.asset, record.values["close"]) == ("BTCUSDT", 100.5)
    (state,) = FeedIngestionState.objects.using("default")
    assert state.id == "simulated:BTCUSDT:candle:1m"


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


def test_the_default_partition_is_counted():
    with transaction() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO tape.feed_records VALUES "
                "('s', 's', 'tick', '1s', '1999-01-01Z', now(), true, '{}', '{}')"
            )
        )
    assert partitions.rows_in_default() == 1
