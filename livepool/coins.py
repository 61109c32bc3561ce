"""Subscribe the coins whose daily candles the pool needs, and see what is missing."""

from datetime import UTC, date, timedelta

import structlog

from core import clock
from core.texts import counted
from feeds import subscriptions
from feeds.models import FeedSubscription
from feeds.providers import sources
from feeds.tape import reads
from feeds.tape.records import CANDLE, FeedKey
from livepool import candles
from livepool.errors import LivePoolError
from livepool.model import parameters as pool_config
from livepool.model import universe

log = structlog.get_logger(__name__)

GRANULARITY = "1d"
# What the models and the limits can use; more would only take longer to fetch.
HISTORY = timedelta(days=5 * 365)
POLL_S = 3600.0
# Real seconds: candles of years wait until a site that starts shows its first board,
# and are then fetched coin by coin.
_PAUSE_S, _STEP_S = 20.0, 0.25


def _feeds() -> dict[str, str]:
    source = candles.daily_source()
    return {"source": source, "kind": CANDLE, "granularity": GRANULARITY}


def listed() -> list[str]:
    """Return the benchmark and all coins of the source that some mode would accept.

    Raises LivePoolError when the source has no daily candles in USDT, FeedError when
    it does not answer.
    """
    source = candles.daily_source()
    daily = [
        found.symbol
        for found in sources.create(source).list_subjects()
        if CANDLE in found.kinds and GRANULARITY in found.granularities
    ]
    coins = universe.eligible_symbols(
        daily, pool_config.gates("broad_liquid"), pool_config.DEFAULT.universe
    )
    if pool_config.BENCHMARK not in daily or not coins:
        raise LivePoolError(
            f"{source} lists no daily candles of {pool_config.BENCHMARK} and coins in "
            "USDT; name a source that does with LIVEPOOL_SOURCE, or fill the tape"
        )
    return [pool_config.BENCHMARK, *coins]


def subscribe() -> int:
    """Subscribe the daily candles of all listed coins; return how many are new.

    Safe to repeat: subscriptions that an operator paused or changed stay so. Raises as
    `listed`.
    """
    source = candles.daily_source()
    keys = [FeedKey(source, coin, CANDLE, GRANULARITY) for coin in listed()]
    new = subscriptions.subscribe_new(
        keys,
        poll_s=POLL_S,
        history=HISTORY,
        first_poll_at=clock.now() + clock.wall_seconds(_PAUSE_S),
        step=clock.wall_seconds(_STEP_S),
    )
    if new:
        log.info("livepool.subscribed", source=source, new=new, coins=len(keys))
    return new


def is_subscribed() -> bool:
    return FeedSubscription.objects.filter(**_feeds()).exists()


def are_on_tape() -> bool:
    """Return whether the tape has any daily candle of the source."""
    return reads.has_feeds(**_feeds())


def missing(as_of: date) -> str:
    """Return what a release of `as_of` still waits for; empty if nothing.

    It waits for the benchmark, but not for a coin that its source fails to deliver.
    """
    source = candles.daily_source()
    key = FeedKey(source, pool_config.BENCHMARK, CANDLE, GRANULARITY)
    newest_at = reads.watermark(key=key)
    newest = newest_at and newest_at.astimezone(UTC).date()
    active = FeedSubscription.objects.filter(**_feeds(), active=True)
    if newest is None and not active.exists():
        return (
            f"no daily candles of {source} are subscribed or on the tape; "
            "PUBLISH_ENABLED=true subscribes them within a minute"
        )
    silent = active.filter(serving_source="", consecutive_errors=0).count()
    if silent:
        return f"the daily candles of {counted(silent, 'coin')} have not come yet"
    if newest is None or newest < as_of:
        return (
            f"the tape ends on {newest or 'no day'} for {pool_config.BENCHMARK}, the "
            f"release needs {as_of}; look at its feed from {source}"
        )
    return ""
