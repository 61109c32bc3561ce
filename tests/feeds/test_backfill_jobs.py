"""Jobs are started once a feed, over ranges that make sense."""

from datetime import timedelta

import pytest

from feeds import backfill_jobs
from feeds.errors import BadRangeError, FeedError
from feeds.models import BackfillJob
from tests.conftest import NOW
from tests.feeds.conftest import SPAN, start
from tests.feeds.factories import KEY

pytestmark = pytest.mark.usefixtures("tape", "frozen_clock")


def test_one_job_a_feed_at_a_time():
    start()
    with pytest.raises(backfill_jobs.BackfillActiveError, match="is running"):
        start()
    other = KEY._replace(subject="ETHUSDT")
    assert backfill_jobs.start(key=other, **SPAN).status == "pending"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_at": NOW, "end_at": NOW}, "from must lie before to"),
        ({"start_at": SPAN["end_at"], "end_at": SPAN["start_at"]}, "before to"),
        ({"end_at": NOW + timedelta(seconds=1)}, "future"),
        ({"start_at": NOW - timedelta(days=91)}, "FEED_RECORD_TTL_DAYS"),
        ({"start_at": NOW - timedelta(days=56 * 365)}, "give 6944 days at most"),
    ],
)
def test_ranges_without_sense_are_refused(changes, message):
    with pytest.raises(BadRangeError, match=message):
        start(**changes)
    assert not BackfillJob.objects.exists()


def test_history_beyond_retention_may_go_into_files():
    assert start("parquet", start_at=NOW - timedelta(days=91)).pk


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "nyse"},
        {"subject": "../x"},
        {"kind": "rumour"},
        {"kind": "depth"},
        {"granularity": "soon"},
        {"source": "binance", "granularity": "7s"},
    ],
)
def test_unknown_feeds_are_refused(changes):
    with pytest.raises(FeedError, match=f"was '{list(changes.values())[-1]}'"):
        backfill_jobs.start(key=KEY._replace(**changes), **SPAN)


@pytest.fixture(autouse=True)
def store(tmp_path, env):
    env(backfill_data_dir=tmp_path / "backfill")
    return tmp_path / "backfill"
