"""Candles of the tape, the monthly grid, catching up, and the alarm."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from polars.testing import assert_frame_equal

from core import clock
from crunchsite.celery import app
from feeds import ingest
from feeds.models import FeedSubscription
from feeds.providers.simulated_coins import COINS
from feeds.tape import writes
from feeds.tape.engine import transaction
from feeds.tape.records import FeedRecord
from livepool import candles, coins, tasks
from livepool.errors import LivePoolError
from livepool.models import Release
from livepool.reader import Reader, document_file
from livepool.release import build, publish, rollback, schedule
from livepool.stores import StoreError
from livepool.stores.site import site_stores
from tests.livepool.conftest import frozen, market

pytestmark = [
    pytest.mark.django_db(databases=["default", "tape"]),
    pytest.mark.usefixtures("trees_grow_once"),
]

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


TABLES = ("feed_records", "feed_ingestion_state")


@pytest.fixture(scope="module")
def written() -> dict[str, bytes]:
    """Rows of the tape as the first test wrote them, by table."""
    return {}


@pytest.fixture
def filled(tape, site, written):
    """The tape knows everything up to the end of August 2024."""
    with frozen(DUE):
        if not written:
            append(until(DUE - timedelta(days=1)))
        with transaction() as connection:
            cursor = connection.connection.cursor()
            for table in TABLES:
                if table in written:
                    rows = io.BytesIO(written[table])
                    cursor.copy_expert(f"COPY tape.{table} FROM STDIN", rows)
                else:
                    rows = io.BytesIO()
                    select = f"SELECT * FROM tape.{table}"
                    cursor.copy_expert(f"COPY ({select}) TO STDOUT", rows)
                    written[table] = rows.getvalue()
        yield site


def test_the_tape_gives_the_candles_in_one_statement(tape, site, tape_statements):
    frame = market(30)
    with frozen(DUE):
        append(frame)
        append(frame.filter(pl.col("date") == frame["date"].max()), is_closed=False)
        last = frame["date"].max() - timedelta(days=1)
        with tape_statements() as seen:
            found = candles.from_tape(source="exchange", until=last)
    assert len(seen) == 1
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
        again = publish.publish(folder=build.output_dir())
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


def test_a_ranking_of_another_day_is_not_published(filled, monkeypatch):
    rank = build.build
    monkeypatch.setattr(
        build, "build", lambda as_of: rank(as_of=as_of - timedelta(days=1))
    )
    with pytest.raises(
        LivePoolError, match="ends on 2024-08-30, the release needs 2024-08-31"
    ):
        schedule.publish_due()
    assert Release.objects.count() == 0


def test_a_source_that_lists_nothing_keeps_no_release_back(filled, caplog):
    """Its candles are on the tape; `exchange` is a source that cannot be asked."""
    FeedSubscription.objects.create(
        source="exchange",
        subject="BTCUSDT",
        granularity="1d",
        serving_source="exchange",
        created_at=DUE,
    )
    done = schedule.publish_due()
    assert done is not None
    assert done.version == "2024-08-31-core_major"
    assert "livepool.no_new_coins" in caplog.text


def test_a_site_without_daily_candles_says_so(tape, site, caplog):
    with frozen(DUE):
        assert schedule.publish_due() is None
        found = schedule.status()
    assert "livepool.no_candles" in caplog.text
    assert (found.state, found.last_error_version) == ("none", None)
    assert found.last_error.startswith("no daily candles of exchange are subscribed")


def test_a_site_that_does_not_publish_builds_nothing(filled, env):
    env(publish_enabled=False)
    assert schedule.publish_due() is None
    assert schedule.publish_first() is None
    assert not build.output_dir().exists()
    assert schedule.status().last_error.startswith("publishing is off")
    stranger = AnonymousUser()
    assert schedule.status().told_to(stranger) == schedule.status()


@pytest.fixture
def fresh(tape, env, tmp_path):
    """A fresh site on the simulated exchange, on a day in the middle of a month."""
    env(livepool_source="simulated", livepool_store_dir=str(tmp_path / "store"))
    cache.delete(schedule._FIRST)
    with frozen(datetime(2026, 11, 28, 9, 0, tzinfo=UTC)):
        yield
    cache.delete(schedule._FIRST)


def fill():
    """All candles come, as the worker's turns would bring them."""
    for subscription in FeedSubscription.objects.filter(granularity="1d"):
        assert ingest.take_turn(subscription, turn_s=60)


@pytest.mark.timeout(600)  # six releases are trained
def test_a_fresh_site_brings_its_first_release_and_a_history(
    fresh, client, monkeypatch
):
    # The models look back two years, and the oldest release is five months old.
    monkeypatch.setattr(coins, "HISTORY", timedelta(days=3 * 365))
    # Which releases come does not hang on how well they are trained.
    config = build.site_config()
    few = replace(config, models=replace(config.models, trees=3))
    monkeypatch.setattr(build, "site_config", lambda: few)
    assert schedule.publish_first() is None  # it subscribes
    subscribed = FeedSubscription.objects.filter(granularity="1d")
    assert subscribed.count() == len(COINS)
    # The first board comes first, then one coin after another.
    at = sorted(subscribed.values_list("next_poll_at", flat=True))
    assert at[0] - clock.now() == timedelta(seconds=20)
    assert len(set(at)) == len(at)
    assert schedule.publish_first() is None
    assert schedule.status().last_error == (
        f"the daily candles of {len(COINS)} coins have not come yet"
    )
    fill()
    done = schedule.publish_first()
    assert done.version == "2026-10-31-core_major"
    assert [r.as_of_date.isoformat() for r in Release.objects.published()] == [
        *("2026-10-31", "2026-09-30", "2026-08-31"),
        *("2026-07-31", "2026-06-30", "2026-05-31"),
    ]
    assert Release.objects.current().version == done.version
    assert schedule.publish_first() is None
    found = schedule.status()
    assert (found.state, found.last_error) == ("fresh", None)
    assert found.next_expected_by > clock.now()
    assert client.get("/livepool").status_code == 200


@pytest.fixture
def unpublished(filled):
    """A site that has its candles, and has not tried to publish yet."""
    cache.delete(schedule._FIRST)
    yield
    cache.delete(schedule._FIRST)


def published() -> list[str]:
    rows = Release.objects.published().newest_first()
    return [f"{as_of:%Y-%m-%d}" for as_of in rows.values_list("as_of_date", flat=True)]


@pytest.mark.timeout(600)
def test_a_month_whose_last_day_nobody_has_costs_the_history_that_month_alone(
    unpublished,
):
    with transaction() as connection:
        gap = "DELETE FROM tape.feed_records WHERE ts_event = '2024-06-30'"
        connection.connection.cursor().execute(gap)
    done = schedule.publish_first()
    assert done is not None
    assert done.version == "2024-08-31-core_major"
    assert published() == [
        *("2024-08-31", "2024-07-31", "2024-05-31", "2024-04-30", "2024-03-31"),
    ]


@pytest.mark.timeout(600)
def test_who_was_killed_amid_the_history_goes_on_to_the_first_release(
    unpublished, monkeypatch
):
    one, built = schedule._publish, []

    def killed(as_of):
        built.append(as_of)
        if len(built) == 3:
            raise KeyboardInterrupt
        return one(as_of)

    monkeypatch.setattr(schedule, "_publish", killed)
    with pytest.raises(KeyboardInterrupt):
        schedule.publish_first()
    assert published() == ["2024-04-30", "2024-03-31"]
    cache.delete(schedule._FIRST)  # the pause is over
    done = schedule.publish_first()
    assert done is not None
    assert done.version == "2024-08-31-core_major"
    assert len(built) == 3 + 4  # what is there is not built again
    assert published() == [
        *("2024-08-31", "2024-07-31", "2024-06-30"),
        *("2024-05-31", "2024-04-30", "2024-03-31"),
    ]
    assert schedule.publish_first() is None


def test_a_site_with_a_release_is_asked_in_one_statement(
    filled, django_assert_num_queries
):
    schedule.publish_due()
    with django_assert_num_queries(1):
        assert schedule.publish_first() is None


def test_what_an_operator_paused_stays_paused(fresh):
    coins.subscribe()
    FeedSubscription.objects.filter(subject="ADAUSDT").update(active=False)
    assert coins.subscribe() == 0
    assert not FeedSubscription.objects.get(subject="ADAUSDT").active


def test_a_coin_that_its_source_does_not_give_is_not_waited_for(fresh):
    coins.subscribe()
    FeedSubscription.objects.filter(subject="ZECUSDT").update(
        consecutive_errors=1, last_error="gone"
    )
    others = FeedSubscription.objects.exclude(subject="ZECUSDT")
    others.update(serving_source="simulated")
    assert ingest.take_turn(others.get(subject="BTCUSDT"), turn_s=60)
    assert coins.missing(schedule.due_date(clock.now())) == ""


def test_a_source_without_daily_coins_is_named_and_asked_again_later(fresh, env):
    env(livepool_source="replay", feed_replay_path="")
    assert schedule.publish_first() is None
    env(livepool_source="simulated")
    assert schedule.publish_first() is None
    assert FeedSubscription.objects.count() == 0  # it waits after a failure
    cache.delete(schedule._FIRST)
    schedule.publish_first()
    assert FeedSubscription.objects.count() == len(COINS)


@pytest.mark.parametrize(
    "error", [LivePoolError("a disk is full"), OSError(28, "a disk is full")]
)
def test_two_workers_build_the_first_release_once(fresh, monkeypatch, error):
    coins.subscribe()
    monkeypatch.setattr(coins, "missing", lambda as_of: "")
    built = []

    def one(as_of):
        built.append(as_of)
        assert schedule.publish_first() is None  # the other one, meanwhile
        raise error

    monkeypatch.setattr(schedule, "_publish", one)
    assert schedule.publish_first() is None
    assert len(built) == 1
    assert schedule.status().last_error == str(error)


def test_a_withdrawn_release_is_not_published_again(filled):
    with frozen(DUE - timedelta(days=31)):
        build.build(as_of=(DUE - timedelta(days=32)).date())
        earlier = publish.publish(folder=build.output_dir())
    schedule.publish_due()
    rollback.rollback(version=earlier.version, reason="bad data")
    assert schedule.publish_due() is None
    assert Release.objects.current().version == earlier.version
    with frozen(DUE + timedelta(days=16)):
        found = schedule.status()  # the next release is due two weeks later
    stale_at = datetime(2024, 9, 15, tzinfo=UTC)
    assert (found.state, found.overdue_since) == ("stale", stale_at)


@pytest.mark.parametrize(
    ("days", "state", "expected_by"),
    [
        (1, "fresh", "2024-10-02T00:00:00+00:00"),
        (30, "fresh", "2024-10-02T00:00:00+00:00"),
        # Late: the next daily look is the next chance.
        (31, "late", "2024-10-02T04:15:00+00:00"),
        (44, "late", "2024-10-15T04:15:00+00:00"),
        (46, "stale", "2024-10-17T04:15:00+00:00"),
    ],
)
def test_status_tells_fresh_late_and_stale(filled, days, state, expected_by):
    schedule.publish_due()
    with frozen(DUE + timedelta(days=days - 1, hours=20, minutes=45)):
        found = schedule.raise_alarm()
    assert found.state == state
    assert found.age_days == days + 1
    assert found.next_expected_by.isoformat() == expected_by


def test_the_first_page_of_the_admin_lists_an_overdue_pool(filled, rf, admin_user):
    from crunchsite.operator.dashboard import dashboard

    schedule.publish_due()

    def told():
        request = rf.get("/admin/")
        request.user = admin_user
        found = dashboard(request, {})["troubles"]
        return [t.what for t in found if t.where.startswith("2024-08-31")]

    assert told() == []
    with frozen(DUE + timedelta(days=60)):
        assert told() == ["The live pool is stale: 61 days old."]


def test_beat_publishes_monthly_and_looks_daily():
    entries = app.conf.beat_schedule
    assert entries["livepool.publish"]["schedule"].day_of_month == {1}
    assert entries["livepool.publish.daily"]["schedule"].hour == {4}
    assert entries["livepool.publish.daily"]["task"] == "livepool.publish"
    assert entries["livepool.publish_first"]["schedule"] == 15.0
    assert entries["livepool.build_shadow"]["schedule"].hour == {5}
    assert app.conf.task_routes["livepool.*"] == {"queue": "livepool"}


@pytest.mark.parametrize("hours", [-24, -6, -1, 1, 6, 24])
def test_a_clock_that_jumps_publishes_no_month_twice_and_none_early(site, tape, hours):
    append(market(days=1000).filter(pl.col("date") <= DUE.date() - timedelta(days=1)))
    with frozen(DUE):
        assert schedule.publish_due() is not None
    for when in (DUE + timedelta(hours=hours), DUE):
        with frozen(when):
            assert schedule.publish_due() is None
    assert Release.objects.count() == 1
