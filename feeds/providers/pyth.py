"""Pyth prices over a Hermes-compatible API: the latest price, and past prices.

Pyth has no candles. A closed candle is made of the prices at its two ends, with volume
0, and its meta says that it was sampled. A price is used for an instant if it was
published then or shortly before; without one at both ends there is no candle.
"""

import contextlib
import math
from bisect import bisect_left
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

import requests
from django.conf import settings

from core import clock
from core.grid import ceil_s
from core.texts import brief, describe
from feeds.errors import (
    NothingUsableError,
    ProviderError,
    ProviderSettingError,
    UnknownSubjectError,
)
from feeds.granularity import seconds
from feeds.providers.base import FetchRequest, Subject, check_served
from feeds.providers.push import poll
from feeds.providers.source_values import whole
from feeds.providers.waits import retry_after_s
from feeds.tape.record_checks import SKEW
from feeds.tape.records import CANDLE, TICK, FeedKey, FeedRecord

GRANULARITIES = ("1s", "1m", "5m", "15m", "1h")
QUOTES = ("USDT", "USDC", "USD")
TIMEOUT_S = 8.0
# Prices are published several times a second. A price older than the candle's length,
# or than these seconds, is not used for an instant.
STALEST_S = 60
LEAST_STALE_S = 5


class Price(NamedTuple):
    """A price and the epoch second at which it was published."""

    value: float
    published_at: int


class Pyth:
    name = "pyth"
    kinds = (CANDLE, TICK)
    granularities = GRANULARITIES
    page_limit = 60  # a request for each candle

    def __init__(self) -> None:
        self._url: str = settings.ENV.pyth_api_url.rstrip("/")
        self._key: str = settings.ENV.pyth_api_key

    def list_subjects(self) -> list[Subject]:
        return [
            Subject(symbol, self.kinds, GRANULARITIES, self.name)
            for symbol in sorted(self._ids)
        ]

    def fetch(self, request: FetchRequest) -> list[FeedRecord]:
        check_served(self, request)
        feed_id = self._id_of(request.subject)
        if request.kind == TICK:
            price = self.price(feed_id, "latest")
            tick = FeedRecord(
                *request.key(self.name),
                datetime.fromtimestamp(price.published_at, UTC),
                {"price": price.value},
            )
            return [tick] if request.start <= tick.ts_event < request.end else []
        return self._candles(request, feed_id)

    def listen(self, feeds: Sequence[FeedKey]) -> AsyncGenerator[FeedRecord]:
        return poll(self, feeds)

    def _candles(self, request: FetchRequest, feed_id: str) -> list[FeedRecord]:
        """Return the oldest candles with a valid price at both ends."""
        length = seconds(request.granularity)
        first = ceil_s(request.start.timestamp(), length)
        last = min(
            math.ceil(request.end.timestamp()) - 1 + length,
            math.floor(clock.now().timestamp()),
        )
        ends = range(first, last + 1, length)
        prices = _Sampled(self, feed_id, stalest_s=length)
        key, limit = request.key(self.name), min(request.limit, self.page_limit)
        found: list[FeedRecord] = []
        opened: float | None = None
        i = 0
        try:
            while i < len(ends) and len(found) < limit:
                close = prices.at(ends[i])
                if close is None:
                    i = prices.next_known(ends, after=i)
                else:
                    if opened is not None:
                        found.append(_sampled(key, ends[i] - length, opened, close))
                    i += 1
                opened = close
        except ProviderError:
            # The service may allow fewer requests than a page takes: the next page
            # goes on where this one ends.
            if not found:
                raise
        if prices.nonsense and not found:
            raise NothingUsableError(prices.nonsense, rows=len(ends))
        return found

    def price(self, feed_id: str, at: str) -> Price:
        """Return price and publishing instant, at an epoch second or "latest".

        Raises NothingUsableError for an invalid answer.
        """
        answer = self._get(
            f"v2/updates/price/{at}", {"ids[]": feed_id, "parsed": "true"}
        )
        try:
            return _read_price(answer, feed_id)
        except StopIteration:
            said = f"pyth has no price of {feed_id} at {at}"
        except Exception as error:  # noqa: BLE001  whatever it stumbles over, it is this answer
            said = (
                f"pyth sent an unexpected answer: {brief(answer)} "
                f"({describe(error, limit=200)})"
            )
        raise NothingUsableError(said, rows=1)

    def _id_of(self, subject: str) -> str:
        """Return a subject's id; BTC, BTCUSD and BTCUSDT all mean BTC in US dollars."""
        names = [subject, *(subject.removesuffix(quote) for quote in QUOTES)]
        for name in names:
            if name in self._ids:
                return self._ids[name]
        raise UnknownSubjectError(
            f"subject was {subject!r}; pyth does not know it, give one like BTC"
        )

    @cached_property
    def _ids(self) -> dict[str, str]:
        rows = self._get("v2/price_feeds", {"asset_type": "crypto"})
        ids: dict[str, str] = {}
        for row in rows:
            with contextlib.suppress(KeyError, TypeError, AttributeError):
                attributes = row["attributes"]
                if attributes.get("quote_currency", "USD") == "USD":
                    ids[attributes["base"].upper()] = _plain(row["id"])
        if not ids:
            raise ProviderError(f"pyth at {self._url} lists no prices")
        return ids

    def _get(self, path: str, parameters: dict[str, str]) -> Any:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            response = requests.get(
                f"{self._url}/{path}", parameters, headers=headers, timeout=TIMEOUT_S
            )
            match response.status_code:
                case requests.codes.ok:
                    return response.json()
                case 401 | 403:
                    state = "was refused" if self._key else "is not set"
                    raise ProviderSettingError(
                        f"pyth at {self._url} requires a key: PYTH_API_KEY {state}"
                    )
                case 429:
                    raise ProviderError(
                        "pyth asks to wait",
                        retry_after_s=retry_after_s(response, default_s=60.0),
                    )
                case code:
                    raise ProviderError(f"pyth at {self._url}: HTTP {code}")
        except requests.RequestException as error:
            raise ProviderError(f"pyth at {self._url}: {error}") from None


class _Sampled:
    """Prices of one subject at the ends of candles, and the last invalid answer."""

    def __init__(self, provider: Pyth, feed_id: str, *, stalest_s: int) -> None:
        self._provider, self._feed_id = provider, feed_id
        self._stalest_s = min(max(stalest_s, LEAST_STALE_S), STALEST_S)
        self._known: dict[int, float | None] = {}
        self.nonsense = ""

    def at(self, end: int) -> float | None:
        """Return the price at an epoch second; None when it is unknown."""
        if end not in self._known:
            self._known[end] = self._ask(end)
        return self._known[end]

    def is_known(self, end: int) -> bool:
        return self.at(end) is not None

    def next_known(self, ends: range, *, after: int) -> int:
        """Return the place of the next end with a price; len(ends) if there is none.

        The steps double, because a request for each candle takes long. So an outage
        hides only what follows it for a shorter time than it lasted.
        """
        low, step = after, 1
        while (high := min(low + step, len(ends) - 1)) > low:
            if self.is_known(ends[high]):
                return bisect_left(ends, True, low + 1, high, key=self.is_known)
            low, step = high, 2 * step
        return len(ends)

    def _ask(self, end: int) -> float | None:
        try:
            price = self._provider.price(self._feed_id, str(end))
        except NothingUsableError as error:
            self.nonsense = str(error)
            return None
        # A later price was not known at that instant: using it would look ahead.
        is_sound = 0 <= end - price.published_at <= self._stalest_s
        return price.value if is_sound else None


def _sampled(key: FeedKey, opened_at: int, opened: float, close: float) -> FeedRecord:
    values = {
        "open": opened,
        "high": max(opened, close),
        "low": min(opened, close),
        "close": close,
        "volume": 0.0,
    }
    at = datetime.fromtimestamp(opened_at, UTC)
    return FeedRecord(*key, at, values, meta={"sampled": True})


def _read_price(answer: Any, feed_id: str) -> Price:
    """Return the feed's price; raises StopIteration without one."""
    row = next(row for row in answer["parsed"] or () if _plain(row["id"]) == feed_id)
    price = row["price"]
    value = int(str(price["price"])) * 10.0 ** whole(price["expo"])
    published_at = whole(price["publish_time"])
    if not 0 < value < math.inf:
        raise ValueError(f"the price is {value}")
    if published_at > (clock.now() + SKEW).timestamp():
        raise ValueError("it was published in the future")
    return Price(value, published_at)


def _plain(feed_id: str) -> str:
    """Return an id without the 0x that Hermes lists but does not answer with."""
    return feed_id.lower().removeprefix("0x")
