"""Binance: candles, trades, order book and funding, over REST and streams.

A candle is closed when the exchange's own clock has passed its end (pull) or when the
exchange says so (push). So a site whose clock is ahead never takes an open candle for a
closed one.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.util import find_spec
from typing import Any

import structlog
from django.conf import settings

from core import clock
from core.texts import brief
from feeds.errors import ProviderError
from feeds.granularity import seconds as length_of
from feeds.providers.base import FetchRequest, Subject, check_served
from feeds.providers.binance import rest
from feeds.providers.binance import streams as binance_streams
from feeds.providers.push import merged, poll
from feeds.providers.source_values import (
    each,
    instant,
    number,
    numbers,
    same,
    truth,
    whole,
)
from feeds.tape.records import CANDLE, DEPTH, FUNDING, OHLCV, TICK, FeedKey, FeedRecord

GRANULARITIES = (
    *("1s", "1m", "3m", "5m", "15m", "30m"),
    *("1h", "2h", "4h", "6h", "8h", "12h", "1d"),
)
BOOK_LEVELS = 10
# The live pool ranks by a day's turnover; models see the five numbers of shorter ones.
WITH_TURNOVER = "1d"
# A stream without any message for this long is broken.
MOST_NONSENSE = 100

log = structlog.get_logger(__name__)


class Binance:
    name = "binance"
    kinds = (CANDLE, TICK, DEPTH, FUNDING)
    granularities = GRANULARITIES
    page_limit = 1000

    def __init__(self) -> None:
        env = settings.ENV
        self._rest = rest.Rest(
            api_url=env.binance_api_url, futures_url=env.binance_futures_url
        )
        self._stream_url: str = env.binance_stream_url

    def list_subjects(self) -> list[Subject]:
        answer, _ = self._rest.get(rest.EXCHANGE)
        return [
            Subject(str(symbol), self.kinds, GRANULARITIES, self.name)
            for row in answer["symbols"]
            if isinstance(row, dict)
            and row.get("status") == "TRADING"
            and (symbol := row.get("symbol"))
        ]

    def fetch(self, request: FetchRequest) -> list[FeedRecord]:
        check_served(self, request)
        fetch = {
            CANDLE: self._candles,
            TICK: self._trades,
            DEPTH: self._depth,
            FUNDING: self._funding,
        }[request.kind]
        return fetch(request)

    def _candles(self, request: FetchRequest) -> list[FeedRecord]:
        rows, server_at = self._rest.get(
            rest.KLINES,
            symbol=request.subject,
            interval=request.granularity,
            startTime=-(-_microseconds(request.start) // 1000),
            endTime=-(-_microseconds(request.end) // 1000) - 1,
            limit=min(request.limit, self.page_limit),
        )
        key, length = request.key(self.name), length_of(request.granularity)

        def parse(row: list[Any]) -> FeedRecord:
            opened_ms, closes_s = whole(row[0]), whole(row[0]) / 1000 + length
            for last_ms in row[6:7]:
                same(whole(last_ms) - opened_ms, length * 1000 - 1)
            is_closed = closes_s <= server_at
            return candle(
                key, opened_ms, row[1:6], turnover=row[7:8], is_closed=is_closed
            )

        return each(rows, parse, source=self.name)

    def _trades(self, request: FetchRequest) -> list[FeedRecord]:
        """Fetch the oldest trades of the range, from its first instant or number on."""
        since: dict[str, int] = {"startTime": _microseconds(request.start) // 1000}
        earliest = instant(since["startTime"])
        if request.from_id is not None:
            since = {"fromId": request.from_id}
        key = request.key(self.name)

        def parse(row: dict[str, Any]) -> FeedRecord:
            record = trade(key, row)
            if record.ts_event < earliest or row["a"] < since.get("fromId", 0):
                raise ValueError("it is older than requested")
            return record

        while True:
            rows, _ = self._rest.get(
                rest.TRADES,
                symbol=request.subject,
                limit=min(request.limit, self.page_limit),
                **since,
            )
            trades = each(rows, parse, source=self.name)
            trades.sort(key=lambda record: record.meta["id"])
            found = [r for r in trades if request.start <= r.ts_event < request.end]
            if found or not trades or trades[-1].ts_event >= request.end:
                return found
            # All are before `start` within its millisecond: continue behind them.
            since = {"fromId": trades[-1].meta["id"] + 1}

    def _depth(self, request: FetchRequest) -> list[FeedRecord]:
        """Fetch the present order book; there is no history."""
        book, _ = self._rest.get(rest.DEPTH, symbol=request.subject, limit=BOOK_LEVELS)
        now = clock.now()
        if not request.start <= now < request.end:
            return []
        read = partial(depth, request.key(self.name), at=now)
        return each([book], read, source=self.name)

    def _funding(self, request: FetchRequest) -> list[FeedRecord]:
        """Fetch the present funding rate; there is no history."""
        row, _ = self._rest.get(rest.MARK_PRICE, symbol=request.subject)
        found = each([row], partial(funding, request.key(self.name)), source=self.name)
        return [r for r in found if request.start <= r.ts_event < request.end]

    def listen(self, feeds: Sequence[FeedKey]) -> AsyncGenerator[FeedRecord]:
        """Push from the streams; poll what has no stream (all without the package)."""
        for feed in feeds:
            check_served(self, feed)
        streams = {stream: feed for feed in feeds if (stream := stream_of(feed))}
        if not (streams and find_spec("binance")):
            return poll(self, feeds)
        polled = [feed for feed in feeds if stream_of(feed) is None]
        pushed = self._listen(streams)
        if not polled:
            return pushed
        return merged(pushed, poll(self, polled, gives_up=False))

    async def _listen(self, streams: dict[str, FeedKey]) -> AsyncGenerator[FeedRecord]:
        messages = binance_streams.messages(self._stream_url, list(streams))
        nonsense = 0
        async with aclosing(messages):
            async for message in messages:
                try:
                    record = streamed(streams[message["stream"]], message["data"])
                except Exception as error:
                    nonsense += 1
                    if nonsense == MOST_NONSENSE:
                        raise ProviderError(
                            f"binance's stream sent an unexpected message: "
                            f"{brief(message)}"
                        ) from error
                    if nonsense == 1:
                        log.warning(
                            "feed.message_passed_over",
                            source=self.name,
                            message=brief(message),
                            error=error,
                        )
                else:
                    nonsense = 0
                    yield record


def stream_of(feed: FeedKey) -> str | None:
    """Return the name of a feed's stream; None for one that is polled.

    Funding has none. The names of streams are in lower case: a subject that is not
    written as the exchange does would take the stream of the one that is.
    """
    if feed.subject != feed.subject.upper():
        return None
    symbol = feed.subject.lower()
    return {
        CANDLE: f"{symbol}@kline_{feed.granularity}",
        TICK: f"{symbol}@aggTrade",
        DEPTH: f"{symbol}@depth{BOOK_LEVELS}",
    }.get(feed.kind)


def streamed(feed: FeedKey, data: dict[str, Any]) -> FeedRecord:
    """Convert a stream's message to the same record that `fetch` returns."""
    if feed.kind == CANDLE:
        k = data["k"]
        same(k.get("s", feed.subject), feed.subject)
        same(k.get("i", feed.granularity), feed.granularity)
        return candle(
            feed,
            k["t"],
            [k[c] for c in "ohlcv"],
            turnover=[k[c] for c in "q" if c in k],
            is_closed=truth(k["x"]),
        )
    if feed.kind == TICK:
        return trade(feed, data)
    return depth(feed, data, at=clock.now())


def candle(
    feed: FeedKey,
    opened_ms: int,
    values: Sequence[Any],
    *,
    turnover: Sequence[Any] = (),
    is_closed: bool,
) -> FeedRecord:
    """Make a record of a candle; `turnover`, if it is known, stays with days alone."""
    named = dict(zip(OHLCV, numbers(values), strict=True))
    if turnover and feed.granularity == WITH_TURNOVER:
        [named["quote_volume"]] = numbers(turnover)
    return FeedRecord(*feed, instant(opened_ms), named, is_closed)


def trade(feed: FeedKey, row: dict[str, Any]) -> FeedRecord:
    """Make a record of an aggregate trade.

    The microseconds of its instant are the last three digits of the trade's number, so
    that trades of one millisecond stay separate.
    """
    same(row.get("s", feed.subject), feed.subject)
    number_of_trade = whole(row["a"])
    at = instant(row["T"]) + timedelta(microseconds=number_of_trade % 1000)
    values = {"price": number(row["p"]), "quantity": number(row["q"])}
    return FeedRecord(*feed, at, values, meta={"id": number_of_trade})


def depth(feed: FeedKey, book: dict[str, Any], *, at: datetime) -> FeedRecord:
    bids, asks = (
        [numbers((price, size)) for price, size in book[side][:BOOK_LEVELS]]
        for side in ("bids", "asks")
    )
    best_bid, best_ask = bids[0][0], asks[0][0]
    bid_depth, ask_depth = sum(size for _, size in bids), sum(size for _, size in asks)
    total = bid_depth + ask_depth
    values = {
        "best_bid": best_bid,
        "best_ask": best_ask,
        "spread": best_ask - best_bid,
        "mid_price": (best_bid + best_ask) / 2,
        "bid_depth": bid_depth,
        "ask_depth": ask_depth,
        "imbalance": (bid_depth - ask_depth) / total if total else 0.0,
        "bids_top": bids,
        "asks_top": asks,
    }
    return FeedRecord(*feed, at, values)


def funding(feed: FeedKey, row: dict[str, Any]) -> FeedRecord:
    same(row.get("symbol", feed.subject), feed.subject)
    mark, index = number(row["markPrice"]), number(row["indexPrice"])
    values = {
        "funding_rate": number(row["lastFundingRate"]),
        "mark_price": mark,
        "index_price": index,
        "basis": (mark - index) / index if index else 0.0,
        "next_funding_ts": whole(row["nextFundingTime"]) / 1000,
    }
    return FeedRecord(*feed, instant(row["time"]), values)


def _microseconds(instant: datetime) -> int:
    return (instant - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
