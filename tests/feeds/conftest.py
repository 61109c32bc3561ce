from datetime import timedelta

import pytest
import sqlalchemy as sa

from feeds import backfill_jobs, ingest
from feeds.subscriptions import subscribe
from feeds.tape import parquet
from feeds.tape.engine import transaction
from tests.conftest import NOW
from tests.feeds.factories import KEY, candle


@pytest.fixture(autouse=True)
def _fresh_providers():
    """Providers read their settings when they are made."""
    ingest.provider_of.cache_clear()
    yield
    ingest.provider_of.cache_clear()


@pytest.fixture
def env(settings):
    """Change environment settings: `env(feed_seed=1)`."""

    def change(**changes):
        settings.ENV = settings.ENV.model_copy(update=changes)

    return change


@pytest.fixture
def store(tmp_path, env, frozen_clock):
    """The address of a Parquet file with 99 candles, which exists."""
    env(backfill_data_dir=tmp_path / "backfill")
    parquet.write([candle(-i) for i in range(1, 100)])
    return "/data/backfill/simulated/BTCUSDT/candle/1m/2026-03-02.parquet"


SPAN = {"start_at": NOW - timedelta(hours=10), "end_at": NOW - timedelta(hours=5)}


def start(sink="tape", **changes):
    return backfill_jobs.start(key=KEY, **{**SPAN, **changes}, sink=sink, page_size=50)


def count():
    with transaction() as connection:
        return connection.scalar(sa.text("SELECT count(*) FROM tape.feed_records"))


@pytest.fixture
def subscription(frozen_clock):
    return subscribe(KEY)
