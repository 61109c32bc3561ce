"""A simulated exchange: seeded, reproducible, any range of history by itself.

The logarithm of the price is a Brownian path, built from the top down: anchors every
2**25 s, and every midpoint below is the mean of its neighbours plus a displacement
(Levy's construction), drawn from a hash of (seed, subject, position). So the same
second has the same price whichever range is asked. On top lie volatility regimes,
trends and jumps, each local to its slot. A longer candle is the aggregate of its
one-second candles, up to a day: candles of a day or more open and close on the same
path, but their extremes and volumes are drawn, so that years of them are cheap.
"""

import calendar
import hashlib
import math
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from core import clock
from core.grid import ceil_s
from feeds.errors import UnknownSubjectError
from feeds.granularity import seconds
from feeds.providers.base import (
    STANDARD_GRANULARITIES,
    FetchRequest,
    Subject,
    check_served,
    records,
)
from feeds.providers.push import poll
from feeds.providers.simulated_coins import COINS, Coin
from feeds.tape.records import CANDLE, OHLCV, TICK, FeedKey, FeedRecord

_ANCHOR_BITS = 25  # 388 days between two anchors
_ANCHOR_SIGMA = 0.4
_SIGMA = 0.6 / math.sqrt(365 * 86400)  # 60 % a year, per square root of a second
_REGIME_BITS = 14  # 4.5 hours
_REGIMES = np.array([0.5, 0.8, 1.0, 1.2, 2.2])
_TREND_SIGMA = 0.004
_JUMP_BITS = 12  # 68 minutes
_JUMP_PROBABILITY = 0.25
_JUMP_SIGMA = 0.006
_CHUNK_S = 1 << 20  # seconds computed at once, which bounds the memory
_DAY_S = 86400
_EXTREME_BITS = 10  # a day's extremes are searched every 17 minutes
# What a second trades on average: exp of a normal, the regimes' mean, the wicks.
_MEAN_VOLUME = math.exp(0.5) * float(_REGIMES.mean()) * 1.53

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Streams of randomness; the bridge uses one per level.
_ANCHOR, _REGIME, _TREND, _JUMP, _JUMP_AT, _JUMP_SIZE, _WICK, _VOLUME = range(100, 108)
_IDLE = 108


def _hash(key: int, stream: int, index: Ints) -> NDArray[np.uint64]:
    """Hash a counter by SplitMix64 (Steele, Lea and Flood 2014), one word per index."""
    with np.errstate(over="ignore"):
        word = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        word += np.uint64((key + stream * 0xD1342543DE82EF95) & (2**64 - 1))
        word ^= word >> np.uint64(30)
        word *= np.uint64(0xBF58476D1CE4E5B9)
        word ^= word >> np.uint64(27)
        word *= np.uint64(0x94D049BB133111EB)
        word ^= word >> np.uint64(31)
    return word


def _uniform(key: int, stream: int, index: Ints) -> Floats:
    return (_hash(key, stream, index) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _normal(key: int, stream: int, index: Ints) -> Floats:
    """Return nearly standard normal numbers: sums of a word's four 16-bit uniforms."""
    parts = _hash(key, stream, index).view(np.uint16).reshape(-1, 4)
    total = parts.sum(axis=1, dtype=np.int64)
    return (total - 2 * 65535) / (65536 / math.sqrt(3))


class Market:
    """The price path of one subject."""

    def __init__(self, *, seed: int, subject: str) -> None:
        digest = hashlib.sha256(f"{seed}:{subject}".encode()).digest()
        self._key = int.from_bytes(digest[:8], "little")
        self._coin = COINS.get(subject, Coin())
        self._base = self._coin.price or round(
            10 ** (digest[8] / 64 - 1) * (1 + digest[9] / 256), 4
        )
        self.decimals = max(2, 6 - math.ceil(math.log10(self._base) + 0.5))

    def prices(self, first: int, last: int) -> Floats:
        """Return the prices at each second of [first, last], epoch seconds."""
        return self._prices(np.arange(first, last + 1), self._path(first, last))

    def _prices(self, at: Ints, path: Floats) -> Floats:
        log_price = path + self._trend(at) + self._jump(at)
        return np.round(self._base * np.exp(log_price), self.decimals)

    def candles(self, first: int, count: int, length: int) -> Floats:
        """Return `count` candles of `length` seconds from `first`: open ... volume."""
        per_chunk = max(1, _CHUNK_S // length)
        chunks = [
            self._chunk(first + start * length, min(per_chunk, count - start), length)
            for start in range(0, count, per_chunk)
        ]
        return np.concatenate(chunks, axis=1)

    def _chunk(self, first: int, count: int, length: int) -> Floats:
        at = np.arange(first, first + count * length)
        price = self.prices(first, int(at[-1]) + 1)
        opens, closes = price[:-1], price[1:]
        wick = _uniform(self._key, _WICK, at) * _SIGMA
        high = np.round(np.maximum(opens, closes) * (1 + wick), self.decimals)
        low = np.round(np.minimum(opens, closes) * (1 - wick), self.decimals)
        daily = 1 + 0.5 * np.sin(2 * np.pi * (at % 86400) / 86400)
        size = 20_000 / self._base * daily * self._regime(at) * self._coin.liquidity
        volume = np.round(
            size * np.exp(_normal(self._key, _VOLUME, at)) * (1 + np.abs(wick) * 1e4), 5
        )
        shape = (count, length)
        return np.stack(
            [
                opens.reshape(shape)[:, 0],
                high.reshape(shape).max(axis=1),
                low.reshape(shape).min(axis=1),
                closes.reshape(shape)[:, -1],
                np.round(volume.reshape(shape).sum(axis=1), 5),
            ]
        )

    def days(self, first: int, count: int, length: int) -> Floats:
        """Return whole days as `candles` does, computing only some of their seconds."""
        edges = first + length * np.arange(count + 1)
        price = self._prices(edges, self._points(edges))
        opens, closes = price[:-1], price[1:]
        highest, lowest = np.maximum(opens, closes), np.minimum(opens, closes)
        step = 1 << _EXTREME_BITS
        inside = step * np.arange(first // step, -(-int(edges[-1]) // step) + 1)
        path = self._path(first, int(edges[-1]), finest=_EXTREME_BITS)
        between = self._prices(inside, path)
        starts = np.searchsorted(inside, edges)
        if length > step:  # otherwise there may be no point between two edges
            highest = np.maximum(highest, np.maximum.reduceat(between, starts)[:-1])
            lowest = np.minimum(lowest, np.minimum.reduceat(between, starts)[:-1])
        wick = 0.01 * _uniform(self._key, _WICK, edges[:-1])
        return np.stack(
            [
                opens,
                np.round(highest * (1 + wick), self.decimals),
                np.round(lowest * (1 - wick), self.decimals),
                closes,
                self._day_volumes(edges[:-1], length),
            ]
        )

    def _day_volumes(self, at: Ints, length: int) -> Floats:
        coin = self._coin
        mean = length * _MEAN_VOLUME * 20_000 * coin.liquidity / self._base
        season = 1 + coin.fading * np.sin(2 * np.pi * at / (365 * _DAY_S))
        trades = _uniform(self._key, _IDLE, at) >= coin.idle
        noise = np.exp(0.3 * _normal(self._key, _VOLUME, at))
        return np.asarray(np.round(mean * season * noise * trades, 5))

    def _points(self, at: Ints) -> Floats:
        """Return the path at any instants, computing only what each of them needs."""
        left = at >> _ANCHOR_BITS
        before, after = (
            _ANCHOR_SIGMA * _normal(self._key, _ANCHOR, left + n) for n in (0, 1)
        )
        for level in range(_ANCHOR_BITS - 1, -1, -1):
            index = (at >> (level + 1) << 1) + 1
            middle = (before + after) / 2 + self._displacement(level, index)
            is_right = at >= index << level
            before = np.where(is_right, middle, before)
            after = np.where(is_right, after, middle)
        return before

    def _displacement(self, level: int, index: Ints) -> Floats:
        """Return how far points of a level lie off the middle of their neighbours."""
        size = 1 << level
        spread = _SIGMA * math.sqrt(2 * size) / 2
        noise = spread * _normal(self._key, level, index)
        if level < _REGIME_BITS:
            noise *= self._regime(index * size)
        return noise

    def _path(self, first: int, last: int, finest: int = 0) -> Floats:
        """Return the path every 2**`finest` seconds, from `first` beyond `last`."""
        size = 1 << _ANCHOR_BITS
        origin = first // size
        index = np.arange(origin, -(-last // size) + 1)
        values = _ANCHOR_SIGMA * _normal(self._key, _ANCHOR, index)
        for level in range(_ANCHOR_BITS - 1, finest - 1, -1):
            size = 1 << level
            index = np.arange(first // size, -(-last // size) + 1)
            left = (index >> 1) - origin
            finer = values[left]
            odd = np.flatnonzero(index & 1)
            noise = self._displacement(level, index[odd])
            finer[odd] = (values[left[odd]] + values[left[odd] + 1]) / 2 + noise
            values, origin = finer, int(index[0])
        return values

    def _regime(self, at: Ints) -> Floats:
        slot = at >> _REGIME_BITS
        return _REGIMES[_hash(self._key, _REGIME, slot) % np.uint64(len(_REGIMES))]

    def _trend(self, at: Ints) -> Floats:
        """Return a rise and fall, or a fall and rise, over each regime."""
        slot = at >> _REGIME_BITS
        phase = (at & ((1 << _REGIME_BITS) - 1)) / (1 << _REGIME_BITS)
        height = _TREND_SIGMA * _normal(self._key, _TREND, slot)
        return height * (1 - np.abs(2 * phase - 1))

    def _jump(self, at: Ints) -> Floats:
        """Return jumps: in some slots the price jumps within a second, then returns."""
        length = 1 << _JUMP_BITS
        slot, second = at >> _JUMP_BITS, at & (length - 1)
        jumps_at = np.floor(_uniform(self._key, _JUMP_AT, slot) * (length - 600))
        size = _JUMP_SIGMA * _normal(self._key, _JUMP_SIZE, slot)
        happens = _uniform(self._key, _JUMP, slot) < _JUMP_PROBABILITY
        left = (length - second) / (length - jumps_at)
        return np.where(happens & (second >= jumps_at), size * left, 0.0)


class Simulated:
    """The exchange at the pace of the site's clock."""

    name = "simulated"
    kinds = (CANDLE, TICK)
    granularities = None
    page_limit = 10_000

    def list_subjects(self) -> list[Subject]:
        symbols = sorted({*settings.ENV.subjects, *COINS})
        return [
            Subject(symbol, self.kinds, STANDARD_GRANULARITIES, self.name)
            for symbol in symbols
        ]

    def fetch(self, request: FetchRequest) -> list[FeedRecord]:
        check_served(self, request)
        if not request.subject:
            raise UnknownSubjectError("subject was empty; give one like BTCUSDT")
        now = clock.now()
        length = seconds(request.granularity)
        start = request.start.timestamp()
        if (listed := COINS.get(request.subject, Coin()).listed_on) is not None:
            start = max(start, calendar.timegm(listed.timetuple()))
        first = ceil_s(start, length)
        until = min(request.end, now + timedelta(microseconds=1)).timestamp()
        count = min(-(-(math.ceil(until) - first) // length), request.limit)
        if count <= 0:
            return []
        market = Market(seed=settings.ENV.feed_seed, subject=request.subject)
        at = [first + i * length for i in range(count)]
        if request.kind == TICK:
            prices = market.prices(first, at[-1])[::length]
            columns = {"price": prices.tolist()}
        else:
            columns = self._candles(market, first, count, length, now)
        return records(request.key(self.name), at, columns, closed_before=now)

    def listen(self, feeds: Sequence[FeedKey]) -> AsyncGenerator[FeedRecord]:
        return poll(self, feeds)

    @staticmethod
    def _candles(
        market: Market, first: int, count: int, length: int, now: datetime
    ) -> dict[str, list[float]]:
        """Return closed candles, and the open one up to now."""
        last = first + (count - 1) * length
        elapsed = int(now.timestamp()) - last
        is_open = elapsed < length
        make = market.days if length >= _DAY_S else market.candles
        rows = []
        if count > is_open:
            rows.append(make(first, count - is_open, length))
        if is_open:
            rows.append(make(last, 1, max(1, elapsed)))
        table = np.concatenate(rows, axis=1).tolist()
        return dict(zip(OHLCV, table, strict=True))
