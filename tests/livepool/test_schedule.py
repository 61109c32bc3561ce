"""Candles of the tape, the monthly grid, catching up, and the alarm."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from crunchsite.celery import app
from feeds.records import FeedRecord
from feeds.tape import writes
from livepool import build, candles, release, rollback, schedule, tasks
from livepool.consumer import Reader, document_file
from livepool.errors import LivePoolError
from livepool.models import Release
from livepool.stores import StoreError
from livepool.stores.site import site_stores
from tests.livepool.conftest import frozen, market

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

# 1000 days from 2022-01-01 end on 2024-09-26; the last month end is 2024-08-31.
DUE = datetime(2024, 9, 1, 3, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def site(env, tmp_path):
    env(
        livepool_output_dir=tmp_path / "output",
        livepool_store_dir=tmp_path / "store",
        livepool_source="exchange",
    )
    return tmp_path


def append(frame: pl.DataFrame, *, is_closed=True, turnover=True):
    records = [
        FeedRecord(
            source="exchange",
            subject=row["symbol"],
            kind="candle",
            granularity="1d",
            ts_event=datetime.combine(row["date"], datetime.min.time(), UTC),
            values={
                k: v
                for k, v in row.items()
                if k not in {"date", "symbol"} and (turnover or k != "quote_volume")
            },
            is_closed=is_closed,
        )
        for row in frame.iter_rows(named=True)
    ]
    result = writes.append(records)
    assert result.refused == 0, result.reasons


def until(day: datetime) -> pl.DataFrame:
    return market(1000).filter(pl.col("date") <= day.date())


@pytest.fixture
def filled(tape, site):
    """The tape knows everything up to the end of August 2024."""
    with frozen(DUE):
        append(until(DUE - timedelta(days=1)))
        yield site


def test_the_tape_gives_the_candles_in_one_statement(
    tape, site, django_assert_num_queries
):
    frame = market(30)
    with frozen(DUE):
        append(frame)
        append(frame.filter(pl.col("date") == frame["date"].max()), is_closed=False)
        last = frame["date"].max() - timedelta(days=1)
        with django_assert_num_queries(1, using="tape"):
            found = candles.from_tape(source="exchange", until=last)
    wanted = frame.filter(pl.col("date") <= last).sort("symbol", "date")
    assert_frame_equal(found, wanted, check_exact=True)


def test_turnover_falls_back_to_volume_at_the_close(tape, site):
    frame = market(3)
    with frozen(DUE):
        append(frame, turnover=False)
        found = candles.from_tape(source="exchange", until=frame["date"].max())
    assert_frame_equal(
        found.select("quote_volume"),
        frame.sort("symbol", "date").select(
            (pl.col("volume") * pl.col("close")).alias("quote_volume")
        ),
    )


def test_an_unfinished_day_is_refused(filled):
    with pytest.raises(LivePoolError, match="last complete UTC day is 2024-08-31"):
        build.build(as_of=DUE.date())


def test_the_month_is_published_once(filled):
    done = schedule.publish_due()
    assert (done.version, done.changed) == ("2024-08-31-core_major", True)
    assert schedule.publish_due() is None
    stores = site_stores()
    reader = Reader(today=DUE.date)
    pool = reader.load(document_file(stores.documents.path))
    assert (pool.source, pool.version) == ("fresh_upstream", "2024-08-31-core_major")
    assert pool.symbols == done.symbols


def test_the_tape_and_a_file_give_the_same_bytes(filled, tmp_path):
    market(1000).write_parquet(tmp_path / "candles.parquet")
    day = DUE.date() - timedelta(days=1)
    one, two = tmp_path / "one", tmp_path / "two"
    build.build(as_of=day, folder=one)
    build.build(as_of=day, folder=two, parquet=tmp_path / "candles.parquet")
    names = sorted(p.name for p in one.iterdir())
    assert len(names) == 5
    assert [(two / n).read_bytes() for n in names] == [
        (one / n).read_bytes() for n in names
    ]


def test_a_late_run_publishes_the_same_release(filled, site):
    with frozen(DUE + timedelta(days=9)):
        append(until(DUE + timedelta(days=8)))
        tasks.publish()
        late = Release.objects.get()
        assert late.version == "2024-08-31-core_major"
        again = release.publish(folder=build.output_dir())
    assert not again.changed
    with frozen(DUE):
        build.build(as_of=late.as_of_date, folder=site / "in-time")
    name = "artifact_manifest.json"
    in_time = (site / "in-time" / name).read_bytes()
    assert in_time == (build.output_dir() / name).read_bytes()


def test_a_failed_run_is_caught_up_by_the_daily_look(filled, monkeypatch):
    from livepool.stores.local import LocalReleaseStore

    def away(*args):
        raise StoreError("disk full")

    monkeypatch.setattr(LocalReleaseStore, "point_current", away)
    with pytest.raises(StoreError):
        tasks.publish()
    assert schedule.status().last_error == "disk full"
    monkeypatch.undo()
    with frozen(DUE + timedelta(days=1)):
        tasks.publish()
        assert schedule.status().state == "fresh"
    assert Release.objects.get().status == "PUBLISHED"


def test_a_failure_that_a_later_release_overtook_is_history(filled):
    schedule.publish_due()
    row = Release.objects.get()
    row.pk, row.status, row.error = None, "FAILED", "disk full"
    row.as_of_date -= timedelta(days=31)
    row.save(force_insert=True)
    assert schedule.status().last_error is None
    row.pk = None
    row.as_of_date += timedelta(days=62)
    row.save(force_insert=True)
    assert schedule.status().last_error == "disk full"


def test_a_tape_that_ends_early_waits(tape, site):
    with frozen(DUE):
        append(until(DUE - timedelta(days=2)))
        with pytest.raises(LivePoolError, match="the tape ends on 2024-08-30"):
            schedule.publish_due()
    assert Release.objects.count() == 0


def test_a_site_without_daily_candles_has_nothing_to_do(tape, site):
    with frozen(DUE):
        assert schedule.publish_due() is None
        assert schedule.status().state == "none"


def test_a_withdrawn_release_is_not_published_again(filled):
    with frozen(DUE - timedelta(days=31)):
        build.build(as_of=(DUE - timedelta(days=32)).date())
        earlier = release.publish(folder=build.output_dir())
    schedule.publish_due()
    rollback.rollback(version=earlier.version, reason="bad data")
    assert schedule.publish_due() is None
    assert Release.objects.current().version == earlier.version


@pytest.mark.parametrize(
    ("days", "state", "expected_by"),
    [
        (1, "fresh", "2024-10-02T00:00:00+00:00"),
        (30, "fresh", "2024-10-02T00:00:00+00:00"),
        (31, "late", "2024-10-02T00:00:00+00:00"),
        (44, "late", "2024-10-02T00:00:00+00:00"),
        (46, "stale", "2024-10-02T00:00:00+00:00"),
    ],
)
def test_status_tells_fresh_late_and_stale(filled, days, state, expected_by):
    schedule.publish_due()
    with frozen(DUE + timedelta(days=days - 1, hours=20, minutes=45)):
        found = schedule.sound_alarm()
    assert found.state == state
    assert found.age_days == days + 1
    assert found.next_expected_by.isoformat() == expected_by


def test_the_first_page_of_the_admin_lists_an_overdue_pool(filled, rf):
    from crunchsite.dashboard import dashboard

    schedule.publish_due()

    def told():
        found = dashboard(rf.get("/admin/"), {})["troubles"]
        return [t.what for t in found if t.where.startswith("2024-08-31")]

    assert told() == []
    with frozen(DUE + timedelta(days=60)):
        assert told() == ["The live pool is stale: 61 days old."]


def test_beat_publishes_monthly_and_looks_daily():
    entries = app.conf.beat_schedule
    assert entries["livepool.publish"]["schedule"].day_of_month == {1}
    assert {entries[n]["task"] for n in entries if n.startswith("livepool")} == {
        "livepool.publish"
    }
    assert app.conf.task_routes["livepool.*"] == {"queue": "livepool"}
