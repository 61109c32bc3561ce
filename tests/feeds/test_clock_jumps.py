"""Feeds go on through a clock that jumps, and nothing is on the tape twice."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest
import sqlalchemy as sa

from feeds import backfill, backfill_jobs, ingest
from feeds.errors import ProviderError
from feeds.models import FeedSubscription
from feeds.providers.push import poll
from feeds.providers.simulated import Simulated
from feeds.subscriptions import subscribe
from feeds.tape import reads, reports, retention
from feeds.tape.engine import transaction
from feeds.tape.records import FeedKey
from feeds.tape.writes import append
from tests.clocks import JUMPS
from tests.feeds.factories import FEED, KEY, candle

pytestmark = pytest.mark.usefixtures("tape")

MINUTE = timedelta(minutes=1)


@pytest.fixture
def subscription(jumping):
    made = subscribe(KEY)
    ingest.ingest_due()
    return made


def newest_is_there(now):
    [newest] = reads.newest_closed(key=KEY, at=now, limit=1)
    return newest.closes_at == now.replace(second=0, microsecond=0)


def is_whole(now):
    return not reports.gaps(FeedKey(**FEED), since=now - timedelta(hours=2), until=now)


@pytest.mark.parametrize("by", JUMPS, ids=str)
def test_a_clock_that_jumps_for_a_moment_stops_no_feed(subscription, jumping, by):
    with jumping.jumped(by):
        jumping.tick(5)
        ingest.ingest_due()
    for _ in range(5):
        jumping.tick(60)
        assert ingest.ingest_due() == 1
        assert newest_is_there(jumping.now())
    assert is_whole(jumping.now())
    assert ingest.ingest_due() == 0


@pytest.mark.parametrize("by", JUMPS, ids=str)
def test_a_clock_that_jumps_for_good_stops_no_feed(subscription, jumping, by):
    jumping.jump(by)
    for _ in range(5):
        jumping.tick(60)
        assert ingest.ingest_due() == 1
        assert newest_is_there(jumping.now())
    assert is_whole(jumping.now())
    assert ingest.ingest_due() == 0


@pytest.mark.parametrize("by", JUMPS, ids=str)
def test_a_failure_at_a_wrong_time_is_tried_again_at_the_right_one(
    subscription, jumping, by, monkeypatch
):
    def fails_while_the_clock_jumps(self, request):
        jumping.jump(by)
        raise ProviderError("busy", retry_after_s=600)

    with monkeypatch.context() as patch:
        patch.setattr(Simulated, "fetch", fails_while_the_clock_jumps)
        jumping.tick(5)
        assert ingest.ingest_due() == 1
    jumping.jump(-by)
    jumping.tick(600)
    assert ingest.ingest_due() == 1
    assert newest_is_there(jumping.now())


@pytest.mark.parametrize("by", JUMPS, ids=str)
def test_polling_goes_on_after_the_jump(jumping, by, monkeypatch):
    monkeypatch.setattr("feeds.providers.push.POLL_FLOOR_S", 0.0)

    async def listened():
        records = poll(Simulated(), [FeedKey(**FEED)], every_s=0.0)
        with jumping.jumped(by):
            await anext(records)
            await anext(records)
        jumping.tick(60)
        async with aclosing(records):
            while (await anext(records)).closes_at != jumping.now():
                pass

    asyncio.run(asyncio.wait_for(listened(), 60))


@pytest.mark.parametrize("by", JUMPS, ids=str)
def test_a_backfill_is_taken_up_after_the_jump_and_nothing_is_lost(jumping, by):
    now = jumping.now()
    start_at, end_at = now - timedelta(hours=10), now - timedelta(hours=5)
    with jumping.jumped(by):
        job = backfill_jobs.start(
            key=FeedKey(**FEED),
            start_at=start_at + min(by, timedelta(0)),
            end_at=end_at + min(by, timedelta(0)),
            sink="tape",
        )
        assert backfill._claim(job.pk)  # and its worker dies
    jumping.tick(61)
    backfill.run(job_id=job.pk)
    job.refresh_from_db()
    assert (job.status, job.records_written) == ("completed", 300)
    with transaction() as connection:
        assert (
            connection.scalar(sa.text("SELECT count(*) FROM tape.feed_records")) == 300
        )
    assert not FeedSubscription.objects.exists()


@pytest.mark.parametrize("by", [*JUMPS, timedelta(days=400)], ids=str)
def test_retention_at_a_wrong_time_drops_nothing_early(jumping, by):
    newest = candle(-1)
    oldest = newest.ts_event - timedelta(days=90)
    append([newest, candle(at=oldest)])
    with jumping.jumped(by):
        retention.prune(now=jumping.now())
    assert [summary.record_count for summary in reports.summaries()] == [2]
    append([candle(at=oldest - MINUTE)])
    retention.prune(now=jumping.now())
    assert [summary.oldest_ts for summary in reports.summaries()] == [oldest]
