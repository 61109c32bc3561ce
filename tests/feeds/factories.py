"""Records for the tests of this app."""

from datetime import timedelta

from feeds.records import FeedRecord
from tests.conftest import NOW

FEED = {
    "source": "simulated",
    "subject": "BTCUSDT",
    "kind": "candle",
    "granularity": "1m",
}


def candle(minute=0, price=100.0, *, is_closed=True, at=None, **changes):
    """A minute candle that opens `minute` minutes after NOW."""
    values = {
        "open": price,
        "high": price + 1,
        "low": price - 1,
        "close": price + 0.5,
        "volume": 10.0,
    }
    values.update(changes.pop("values", {}))
    return FeedRecord(
        **{**FEED, **changes},
        ts_event=at or NOW + timedelta(minutes=minute),
        values=values,
        is_closed=is_closed,
    )
