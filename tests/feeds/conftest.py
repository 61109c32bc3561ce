import pytest

from feeds import ingest
from feeds.tape import parquet
from tests.feeds.factories import candle


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
