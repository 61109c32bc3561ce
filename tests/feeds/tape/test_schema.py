import io

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from django.core.management import call_command
from django.db import connections

from feeds.models import FeedIngestionState, FeedRecord
from feeds.tape import schema
from feeds.tape.engine import engine, transaction
from feeds.tape.tables import metadata
from feeds.tape.writes import append
from tests.feeds.factories import candle
from tests.feeds.tape.conftest import scalar

pytestmark = pytest.mark.usefixtures("tape", "frozen_clock")


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
