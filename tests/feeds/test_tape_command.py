import io
from datetime import UTC, date, datetime, timedelta
from threading import Thread

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from django.core.management import CommandError, call_command

from feeds.subscriptions import subscribe
from feeds.tape import partitions, reports
from feeds.tape.engine import transaction
from feeds.tape.writes import append
from tests.conftest import NOW
from tests.feeds.factories import KEY, candle
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("tape", "frozen_clock")


def tape(what):
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("tape", what, stdout=out, stderr=err)
    except CommandError as error:
        return str(error), err.getvalue()
    return out.getvalue(), err.getvalue()


def test_a_whole_tape_is_said_to_be_whole():
    partitions.create_ahead(now=NOW)
    subscribe(KEY)
    append([candle(-2), candle(-1)])
    assert tape("check") == ("the tape is complete\n", "")


def test_each_problem_is_a_line():
    partitions.create_ahead(now=NOW)
    subscribe(KEY)
    append([candle(-20), candle(-10)])
    with transaction() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO tape.feed_records VALUES "
                "('s', 's', 'tick', '1s', '1999-01-01Z', now(), true, '{}', '{}')"
            )
        )
    said, lines = tape("check")
    assert said == "3 problems"
    assert "the default partition must be empty and holds 1 record:" in lines
    assert "simulated:BTCUSDT:candle:1m is stale: 540 s old" in lines
    assert "lacks 2026-03-02 11:41:00 to 2026-03-02 11:50:00" in lines


def test_migrate_makes_the_months_ahead_of_the_sites_clock(at):
    """So that a new site near a month's end has the next one."""
    with at(datetime(2033, 1, 31, 23, 59, tzinfo=UTC)):
        call_command("migrate", verbosity=0)
    months = {partition.month for partition in partitions.existing()}
    made = {date(2033, month, 1) for month in (1, 2, 3)}
    assert made <= months
    with transaction() as connection:
        for month in made:
            name = partitions.name_of(month)
            connection.execute(sa.text(f"DROP TABLE tape.{name}"))


def test_missing_months_are_a_problem():
    partitions.create_ahead(now=NOW)
    partitions.drop(partitions.next_month(partitions.month_of(NOW)))
    assert "there is no partition for 2026-04" in tape("check")[1]
    out, _ = tape("partitions")
    assert "2026-04" in out
    assert "default  0 records" in out
    assert tape("check")[0] == "the tape is complete\n"


@pytest.mark.parametrize("export", [False, True])
def test_pruned_records_may_be_kept_in_files(env, tmp_path, export):
    env(backfill_data_dir=tmp_path, feed_prune_export=export)
    append([candle(at=datetime(2025, 9, 1, 0, i, tzinfo=UTC)) for i in range(5)])
    append([candle(-1)])
    out, _ = tape("prune")
    assert "dropped 2025-09" in out
    assert reports.summaries()[0].record_count == 1
    files = list(tmp_path.rglob("*.parquet"))
    assert len(files) == export
    if export:
        assert pq.read_table(files[0]).num_rows == 5


@pytest.mark.parametrize("export", [False, True])
def test_candles_of_a_day_outlive_retention(env, tmp_path, export):
    env(backfill_data_dir=tmp_path, feed_prune_export=export)
    day = datetime(2025, 9, 1, tzinfo=UTC)
    daily = [candle(granularity="1d", at=day + timedelta(days=i)) for i in range(3)]
    fine = [candle(at=day + timedelta(minutes=i)) for i in range(5)]
    append(
        [*daily, *fine, candle(granularity="1d", at=datetime(2020, 1, 1, tzinfo=UTC))]
    )
    append([candle(-1, subject="ETHUSDT")])
    assert "dropped 2025-09" in tape("prune")[0]
    assert [(s.granularity, s.record_count) for s in reports.summaries()] == [
        ("1d", 4),
        ("1m", 0),
        ("1m", 1),
    ]
    assert len(list(tmp_path.rglob("1d/*.parquet"))) == 0
    assert len(list(tmp_path.rglob("1m/*.parquet"))) == export
    assert "dropped" not in tape("prune")[0]
    append(fine[:1])  # it comes late, and goes by its own time
    assert "dropped 2025-09" in tape("prune")[0]
    assert append(daily).unchanged == 3


def test_the_month_that_retention_lies_in_loses_its_older_records_alone():
    newest = candle(-1)
    limit = newest.ts_event - timedelta(days=90)
    ages = [limit - timedelta(minutes=1), limit, limit + timedelta(minutes=1)]
    append([candle(at=at) for at in ages] + [newest])
    append([candle(granularity="1d", at=datetime(2025, 12, 1, tzinfo=UTC))])
    assert "dropped 2025-12" not in tape("prune")[0]
    day, minute = reports.summaries()
    assert (day.record_count, minute.record_count) == (1, 3)
    assert minute.oldest_ts == limit


def test_daily_candles_that_come_while_their_month_is_dropped_are_kept():
    day = datetime(2025, 9, 1, tzinfo=UTC)
    append([candle(at=day)])
    dropped = []
    pruning = Thread(
        target=lambda: dropped.append(
            partitions.drop(partitions.month_of(day), keep=["1d"])
        )
    )
    with transaction() as connection:  # a backfill under way, not committed yet
        connection.execute(
            sa.text(
                "INSERT INTO tape.feed_records SELECT source, subject, kind, '1d', "
                "ts_event, ts_ingested, true, values_jsonb, '{}' FROM tape.feed_records"
            )
        )
        pruning.start()
        wait_for_lock()
    pruning.join(60)
    assert dropped == [True]
    with transaction() as connection:
        left = connection.scalars(sa.text("SELECT granularity FROM tape.feed_records"))
        assert left.all() == ["1d"]


def wait_for_lock():
    """Until some session waits for a lock."""
    waiting = sa.text(
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database "
        "WHERE NOT granted AND datname = current_database()"
    )

    def is_waited_for():
        with transaction() as connection:
            return connection.scalar(waiting)

    wait_for(is_waited_for)
