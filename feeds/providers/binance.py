"""Binance: candles, trades, order book and funding; pull over REST, push over streams.

A candle is closed when the exchange's own clock has passed its end (pull) or when the
exchange says so (push), so a site whose clock runs ahead never takes a candle in the
making for a closed one.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from feeds import clock
from feeds.errors import ProviderError
from feeds.providers import binance_rest as rest
from feeds.providers.base import FetchRequest, Subject, check_served, poll
from feeds.records import CANDLE, DEPTH, FUNDING, OHLCV, TICK, FeedKey, FeedRecord
from feeds.records import seconds as length_of

GRANULARITIES = (
    *("1s", "1m", "3m", "5m", "15m", "30m"),
    *("1h", "2h", "4h", "6h", "8h", "12h", "1d"),
)
BOOK_LEVELS = 10
SILENCE_S = 60.0
QUEUE = 10_000


class Binance:
    name = "binance"
    kinds = (CANDLE, TICK, DEPTH, FUNDING)
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
        check_served(
            request, source=self.name, kinds=self.kinds, granularities=GRANULARITIES
        )
        fetch = {
            CANDLE: self._candles,
            TICK: self._trades,
            DEPTH: self._depth,
            FUNDING: self._funding,
        }[request.kind]
        try:
            found = fetch(request)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ProviderError(
                f"binance answered what nobody expects: {error!r}"
            ) from None
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

    def listen(self, feeds: Sequence[FeedKey]) -> AsyncIterator[FeedRecord]:
        """Push from the streams; what has no stream, or no package, is polled."""
        for feed in feeds:
            check_served(
                feed, source=self.name, kinds=self.kinds, granularities=GRANULARITIES
            )
        try:
            import binance  # noqa: F401
        except ImportError:
            return poll(self, feeds)
        streams = {stream: feed for feed in feeds if (stream := stream_of(feed))}
        return self._listen(streams) if streams else poll(self, feeds)

    async def _listen(self, streams: dict[str, FeedKey]) -> AsyncIterator[FeedRecord]:
        """Records of one connection; ProviderError when it breaks or falls silent.

        The caller connects anew: what was missed meanwhile must be fetched, which the
        package's own reconnecting does not do.
        """
        from binance import AsyncClient, BinanceSocketManager

        client = AsyncClient()
        manager = BinanceSocketManager(client, max_queue_size=QUEUE)
        manager.STREAM_URL = self._stream_url
        socket = manager.multiplex_socket(list(streams))
        socket.MAX_RECONNECTS = 0  # the caller connects anew, and fetches the gap
        try:
            try:
                await asyncio.wait_for(socket.connect(), timeout=rest.TIMEOUT_S)
            except Exception as error:  # noqa: BLE001  of many kinds, all mean: try again
                raise ProviderError(
                    f"binance at {self._stream_url}: {error!r}"
                ) from None
            while True:
                try:
                    message = await asyncio.wait_for(socket.recv(), timeout=SILENCE_S)
                except TimeoutError:
                    raise ProviderError(
                        f"binance's stream was silent for {SILENCE_S:.0f} s"
                    ) from None
                if message.get("e") == "error" or "stream" not in message:
                    raise ProviderError(
                        f"binance's stream broke: {message.get('m') or message}"
                    )
                feed = streams.get(message["stream"])
                if feed is not None:
                    yield streamed(feed, message["data"])
        finally:
            # Closing the connection under it is what ends the package's read loop.
            await asyncio.gather(
                socket.close(), *([socket.ws.close()] if socket.ws else [])
            )
            await client.close_connection()


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
