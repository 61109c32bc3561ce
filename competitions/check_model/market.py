"""Candles that models are checked on: the simulated exchange's, the same each time."""

from datetime import UTC, datetime, timedelta

from feeds.providers import sources
from feeds.providers.base import FetchRequest
from feeds.providers.pull import pages

MARKET_START = datetime(2024, 1, 1, tzinfo=UTC)


def made_up_candles(count: int) -> list[dict[str, float]]:
    """Return one-minute candles, oldest first: `ts` in seconds, and the prices."""
    request = FetchRequest(
        subject="BTCUSDT",
        kind="candle",
        granularity="1m",
        start=MARKET_START,
        end=MARKET_START + timedelta(minutes=count),
    )
    return [
        {"ts": int(record.ts_event.timestamp()), **record.values}
        for page in pages(sources.create("simulated"), request)
        for record in page
    ]
