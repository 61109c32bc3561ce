"""Binance: candles, trades, order book and funding; pull over REST, push over streams.

A candle is closed when the exchange's own clock has passed its end (pull) or when the
exchange says so (push), so a site whose clock runs ahead never takes a candle in the
making for a closed one.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

from django.conf import settings

from feeds import clock
from feeds.errors import ProviderError
from feeds.providers import binance_rest as rest
from feeds.providers import binance_streams
from feeds.providers.base import FetchRequest, Subject, check_served, merged, poll
from feeds.records import CANDLE, DEPTH, FUNDING, OHLCV, TICK, FeedKey, FeedRecord
from feeds.records import seconds as length_of

GRANULARITIES = (
    *("1s", "1m", "3m", "5m", "15m", "30m"),
    *("1h", "2h", "4h", "6h", "8h", "12h", "1d"),
)
BOOK_LEVELS = 10


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
            Subject(
                row["symbol"],
                self.kinds,
                GRANULARITIES,
                self.name,
                f"{row['baseAsset']}/{row['quoteAsset']}",
            )
            for row in answer.get("symbols", ())
            if row.get("status") == "TRADING"
        ]

    def fetch(self, request: FetchRequest) -> list[FeedRecord]:
        check_served(self, request)
        fetch = {
            CANDLE: self._candles,
            TICK: self._trades,
            DEPTH: self._depth,
            FUNDING: self._funding,
        }[request.kind]
        with expected_shape():
            found = fetch(request)
        return [r for r in found if request.start <= r.ts_event < request.end]

    def _candles(self, request: FetchRequest) -> list[FeedRecord]:
        rows, server_at = self._rest.get(
            rest.KLINES,
            symbol=request.subject,
            interval=request.granularity,
            startTime=-(-_microseconds(request.start) // 1000),
            endTime=-(-_microseconds(request.end) // 1000) - 1,
            limit=min(request.limit, self.page_limit),
        )
        length = length_of(request.granularity)
        return [
            candle(
                request.key(self.name),
                row[0],
                row[1:6],
                is_closed=row[0] / 1000 + length <= server_at,
            )
            for row in rows
        ]

    def _trades(self, request: FetchRequest) -> list[FeedRecord]:
        """The oldest trades; those of `start`'s millisecond before it are left out, so
        another page may be needed for a full one."""
        limit = min(request.limit, self.page_limit)
        since = {"startTime": _microseconds(request.start) // 1000}
        found: list[FeedRecord] = []
        while True:
            rows, _ = self._rest.get(
                rest.TRADES, symbol=request.subject, limit=limit, **since
            )
            trades = [trade(request.key(self.name), row) for row in rows]
            found += [record for record in trades if record.ts_event >= request.start]
            if len(found) >= limit or len(rows) < limit:
                return found[:limit]
            since = {"fromId": rows[-1]["a"] + 1}

    def _depth(self, request: FetchRequest) -> list[FeedRecord]:
        """The order book as it is; there is no history."""
        book, _ = self._rest.get(rest.DEPTH, symbol=request.subject, limit=BOOK_LEVELS)
        return [depth(request.key(self.name), book, at=clock.now())]

    def _funding(self, request: FetchRequest) -> list[FeedRecord]:
        """The funding rate as it is; there is no history."""
        row, _ = self._rest.get(rest.MARK_PRICE, symbol=request.subject)
        mark, index = float(row["markPrice"]), float(row["indexPrice"])
        values = {
            "funding_rate": float(row["lastFundingRate"]),
            "mark_price": mark,
            "index_price": index,
            "basis": (mark - index) / index if index else 0.0,
            "next_funding_ts": row["nextFundingTime"] / 1000,
        }
        return [
            FeedRecord(*request.key(self.name), _instant(row["time"]), values),
        ]

    def listen(self, feeds: Sequence[FeedKey]) -> AsyncGenerator[FeedRecord]:
        """Push from the streams; what has no stream, or no package, is polled."""
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
        async with aclosing(messages):
            async for stream, data in messages:
                if stream not in streams:
                    continue
                with expected_shape():
                    record = streamed(streams[stream], data)
                yield record


@contextmanager
def expected_shape() -> Iterator[None]:
    """Turns stumbling over an answer of another shape into a ProviderError."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ProviderError(
            f"binance answered what nobody expects: {error!r}"
        ) from None


def stream_of(feed: FeedKey) -> str | None:
    """The name of a feed's stream; None for funding, which is polled."""
    symbol = feed.subject.lower()
    return {
        CANDLE: f"{symbol}@kline_{feed.granularity}",
        TICK: f"{symbol}@aggTrade",
        DEPTH: f"{symbol}@depth{BOOK_LEVELS}",
    }.get(feed.kind)


def streamed(feed: FeedKey, data: dict[str, Any]) -> FeedRecord:
    """A stream's message as the same record that `fetch` gives."""
    if feed.kind == CANDLE:
        k = data["k"]
        return candle(feed, k["t"], [k[c] for c in "ohlcv"], is_closed=k["x"])
    if feed.kind == TICK:
        return trade(feed, data)
    return depth(feed, data, at=clock.now())


def candle(
    feed: FeedKey, opened_ms: int, numbers: Sequence[str], *, is_closed: bool
) -> FeedRecord:
    values = dict(zip(OHLCV, map(float, numbers), strict=True))
    return FeedRecord(*feed, _instant(opened_ms), values, is_closed)


def trade(feed: FeedKey, row: dict[str, Any]) -> FeedRecord:
    """An aggregate trade. Trades of one millisecond stay apart: the microseconds are
    the last three digits of the trade's number."""
    at = _instant(row["T"]) + timedelta(microseconds=row["a"] % 1000)
    values = {"price": float(row["p"]), "quantity": float(row["q"])}
    return FeedRecord(*feed, at, values)


def depth(feed: FeedKey, book: dict[str, Any], *, at: datetime) -> FeedRecord:
    bids = [[float(price), float(size)] for price, size in book["bids"][:BOOK_LEVELS]]
    asks = [[float(price), float(size)] for price, size in book["asks"][:BOOK_LEVELS]]
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


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


def _microseconds(instant: datetime) -> int:
    return (instant - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
