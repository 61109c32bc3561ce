"""Check what may be stored on the tape; each refusal has a stable reason."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from feeds.errors import FeedError
from feeds.granularity import seconds
from feeds.tape.records import (
    CANDLE,
    DEPTH,
    FUNDING,
    TICK,
    FeedKey,
    FeedRecord,
    check_kind,
)

# Part of a path in the Parquet store and of ids joined by colons.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
# How far the site's clock may be behind a provider's.
SKEW = timedelta(minutes=5)
# Nothing was traded before: an instant in 1970 comes from a misread unit of time.
OLDEST = datetime(1990, 1, 1, tzinfo=UTC)


Check = Callable[[FeedRecord], str | None]


def feed_problem(key: FeedKey) -> str | None:
    """Return the reason why records of this feed cannot be stored, or None."""
    if not (NAME.fullmatch(key.source) and NAME.fullmatch(key.subject)):
        return "bad_name"
    try:
        check_kind(key.kind)
        seconds(key.granularity)
    except FeedError as error:
        return error.code
    return None


def _candle(values: Mapping[str, Any]) -> str | None:
    low, high = values["low"], values["high"]
    opened, close, volume = values["open"], values["close"], values["volume"]
    if 0 < low <= opened <= high < inf and low <= close <= high and 0 <= volume < inf:
        return None
    numbers = (opened, high, low, close, volume)
    if not all(-inf < number < inf for number in numbers):
        return "not_finite"
    if min(opened, high, low, close) <= 0 or volume < 0:
        return "negative"
    return "high_below_low"


def _tick(values: Mapping[str, Any]) -> str | None:
    price = values["price"]
    if 0 < price < inf:
        return None
    return "negative" if -inf < price <= 0 else "not_finite"


def _depth(values: Mapping[str, Any]) -> str | None:
    bid, ask = values["best_bid"], values["best_ask"]
    if 0 < bid <= ask < inf:
        return None
    if not (-inf < bid < inf and -inf < ask < inf):
        return "not_finite"
    return "bid_above_ask" if bid > ask else "negative"


def _funding(values: Mapping[str, Any]) -> str | None:
    return None if -inf < values["funding_rate"] < inf else "not_finite"


VALUE_CHECKS: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    CANDLE: _candle,
    TICK: _tick,
    DEPTH: _depth,
    FUNDING: _funding,
}


def checker(key: FeedKey, *, newest: datetime) -> Check:
    """Return a function that gives a record's reason for refusal, or None.

    `newest` limits `ts_event` and the end of a closed candle: one that a provider
    closes too early is not the truth, and would move the watermark past candles to
    come.
    """
    problem = feed_problem(key)
    if problem:
        return lambda _: problem
    is_candle, length_s = key.kind == CANDLE, seconds(key.granularity)
    last_open = newest - timedelta(seconds=length_s)
    values_problem = VALUE_CHECKS[key.kind]

    def misplaced(record: FeedRecord) -> str | None:
        at = record.ts_event
        if at.tzinfo is None:
            return "no_time_zone"
        if at > newest:
            return "in_the_future"
        if at < OLDEST:
            return "long_ago"
        if is_candle:
            if at.microsecond or at.timestamp() % length_s:
                return "off_the_grid"
            if at > last_open and record.is_closed:
                return "closed_too_early"
        return None

    def check(record: FeedRecord) -> str | None:
        try:
            return misplaced(record) or values_problem(record.values)
        except KeyError:
            return "value_missing"
        except TypeError:
            return "not_a_number"

    return check
