"""An exchange on loopback with Binance's REST and streams, which can misbehave.

A real server in a thread: `with FakeExchange() as exchange`, then point
BINANCE_API_URL, BINANCE_FUTURES_URL and BINANCE_STREAM_URL at it. Candles come from
their instant alone, so that any two answers agree.
"""

import asyncio
import json
import math
import threading
import time
from email.utils import formatdate

from aiohttp import WSMsgType, web

from tests.waiting import wait_for

LENGTHS = {"1s": 1, "1m": 60, "5m": 300, "1h": 3600, "1d": 86400}
SYMBOLS = ("BTCUSDT", "ETHUSDT")


def candle(symbol, opened, length):
    """Open, high, low, close, volume as the exchange writes them."""
    base = 100.0 if symbol == "BTCUSDT" else 10.0
    first, last = (
        base + math.sin(opened / 977),
        base + math.sin((opened + length) / 977),
    )
    high, low = max(first, last) + 0.5, min(first, last) - 0.5
    return [f"{x:.8f}" for x in (first, high, low, last, 1 + opened % 7)]


def turnover(values):
    """What a candle's volume cost: not the close times the volume."""
    first, *_, last, volume = map(float, values)
    return f"{volume * (first + last) / 2:.8f}"


class FakeExchange:
    """`now` is the exchange's clock; `skew_s` moves it against the test's."""

    def __init__(self, *, now=time.time):
        self._now = now
        self.skew_s = 0.0
        self.held_after: int | None = None  # so many requests, candles wait
        self.first = 0  # no candles before
        self.missing = set()  # opening seconds without a candle
        self.cap = 1000  # rows of an answer, whatever is asked for
        self.trades = None  # (number, epoch milliseconds), instead of four a second
        self.requests = []  # (path, parameters)
        self.weight = 0
        self._refusals = []
        self._stream_refusal = None
        self._sockets = []
        self.streams = []
        self._ready = threading.Event()

    # --- what a test does to it

    def now(self):
        return self._now() + self.skew_s

    def refuse(self, status, *, times=1, headers=None, body=None):
        """Answer the next requests with an error."""
        self._refusals += [(status, headers or {}, body)] * times

    def refuse_streams(self, status):
        """Answer who wants to listen with an error, until it is None."""
        self._stream_refusal = status

    def push(self, stream, data):
        """Send a message to whoever listens to the stream."""
        self.push_text(stream, json.dumps({"stream": stream, "data": data}))

    def push_text(self, stream, text):
        self._run(self._send(stream, text))

    def push_candle(self, symbol, opened, *, interval="1s", is_closed=True, **changes):
        length = LENGTHS[interval]
        values = dict(zip("ohlcv", candle(symbol, opened, length), strict=True))
        kline = {
            "t": opened * 1000,
            "T": (opened + length) * 1000 - 1,
            "s": symbol,
            "i": interval,
            "x": is_closed,
            **values,
            "q": turnover(values.values()),
            **changes,
        }
        data = {"e": "kline", "E": int(self.now() * 1000), "s": symbol, "k": kline}
        self.push(f"{symbol.lower()}@kline_{interval}", data)

    def cut(self):
        """Drop every stream's connection."""
        self._run(self._cut())

    def wait_for_listener(self, count=1, timeout_s=60.0):
        wait_for(lambda: len(self._sockets) >= count, timeout_s=timeout_s)

    @property
    def env(self):
        return {
            "binance_api_url": f"{self.url}/api",
            "binance_futures_url": f"{self.url}/fapi",
            "binance_stream_url": f"{self.url.replace('http', 'ws')}/",
        }

    # --- the server

    def __enter__(self):
        self._ready.clear()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)

    def _serve(self):
        asyncio.run(self._main())

    async def _main(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        for path, handler in {
            "/api/v3/klines": self._klines,
            "/api/v3/aggTrades": self._trades,
            "/api/v3/depth": self._depth,
            "/api/v3/exchangeInfo": self._info,
            "/fapi/v1/premiumIndex": self._premium,
            "/stream": self._stream,
        }.items():
            app.router.add_get(path, handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        await self._cut()
        await runner.cleanup()

    def _run(self, coroutine):
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def _answer(self, request, body, *, weight=2):
        self.requests.append((request.path, dict(request.query)))
        self.weight += weight
        headers = {
            "Date": formatdate(self.now(), usegmt=True),
            "X-MBX-USED-WEIGHT-1M": str(self.weight),
        }
        if self._refusals:
            status, more, said = self._refusals.pop(0)
            text = json.dumps(said or {"code": -1, "msg": f"refused with {status}"})
            return web.Response(
                status=status,
                text=text,
                headers=headers | more,
                content_type="application/json",
            )
        if request.query.get("symbol", "BTCUSDT") not in SYMBOLS:
            return web.json_response(
                {"code": -1121, "msg": "Invalid symbol."}, status=400, headers=headers
            )
        return web.json_response(body, headers=headers)

    def _most(self, query):
        return min(int(query.get("limit", 500)), self.cap)

    def _is_holding(self):
        return self.held_after is not None and len(self.requests) >= self.held_after

    async def _klines(self, request):
        while self._is_holding():  # noqa: ASYNC110  another thread ends it
            await asyncio.sleep(0.05)
        if request.transport is None:  # who asked was killed meanwhile
            return web.Response()
        query = request.query
        length = LENGTHS[query["interval"]]
        start = max(-(-int(query["startTime"]) // 1000), self.first)
        until = min(int(query["endTime"]) // 1000, int(self.now()))
        opened = -(-start // length) * length
        rows = []
        while opened <= until and len(rows) < self._most(query):
            if opened not in self.missing:
                values = candle(query["symbol"], opened, length)
                closes = (opened + length) * 1000 - 1
                cost = turnover(values)
                rows.append([opened * 1000, *values, closes, cost, 1, "0", "0", "0"])
            opened += length
        return self._answer(request, rows)

    async def _trades(self, request):
        """One trade each quarter of a second, from startTime on."""
        query = request.query
        start = query.get("startTime")
        if self.trades is not None:
            rows = [
                {"a": n, "p": "100", "q": "0.5", "T": at}
                for n, at in self.trades
                if (at >= int(start) if start else n >= int(query["fromId"]))
            ]
            return self._answer(request, rows[: self._most(query)])
        number = -(-int(start) // 250) if start else int(query["fromId"])
        last = int(self.now() * 4)
        rows = [
            {"a": n, "p": f"{100 + n % 10}", "q": "0.5", "T": n * 250}
            for n in range(number, min(last, number + self._most(query)))
        ]
        return self._answer(request, rows)

    async def _depth(self, request):
        book = {"bids": [["99.0", "3"], ["98.0", "1"]], "asks": [["101.0", "1"]]}
        return self._answer(request, book, weight=5)

    async def _info(self, request):
        rows = [
            {
                "symbol": s,
                "status": "TRADING",
                "baseAsset": s[:3],
                "quoteAsset": s[3:],
            }
            for s in SYMBOLS
        ]
        rows.append({**rows[0], "symbol": "OLDUSDT", "status": "BREAK"})
        return self._answer(request, {"symbols": rows}, weight=20)

    async def _premium(self, request):
        return self._answer(
            request,
            {
                "symbol": request.query["symbol"],
                "markPrice": "101.0",
                "indexPrice": "100.0",
                "lastFundingRate": "-0.0001",
                "nextFundingTime": 1_772_467_200_000,
                "time": int(self.now() * 1000),
            },
        )

    async def _stream(self, request):
        if self._stream_refusal:
            return web.Response(status=self._stream_refusal)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        names = request.query["streams"].split("/")
        self.streams.append(names)
        self._sockets.append((set(names), socket))
        try:
            async for message in socket:
                if message.type == WSMsgType.ERROR:
                    break
        finally:
            self._sockets = [pair for pair in self._sockets if pair[1] is not socket]
        return socket

    async def _send(self, stream, text):
        for names, socket in list(self._sockets):
            if stream in names:
                await socket.send_str(text)

    async def _cut(self):
        for _, socket in list(self._sockets):
            transport = socket._req.transport
            if transport is not None:
                transport.abort()
        self._sockets = []
