"""Pyth prices over a Hermes-compatible API: the latest price, and prices of the past.

Pyth has no candles. A closed candle is made of the prices at its two ends, with volume
0, and its meta says that it was sampled.
"""

import math
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import requests
from django.conf import settings

from feeds import clock
from feeds.errors import ProviderError, ProviderSettingError, UnknownSubjectError
from feeds.providers.base import (
    FetchRequest,
    Subject,
    check_served,
    poll,
    retry_after_s,
)
from feeds.records import CANDLE, TICK, FeedKey, FeedRecord, seconds

GRANULARITIES = ("1s", "1m", "5m", "15m", "1h")
QUOTES = ("USDT", "USDC", "USD")
TIMEOUT_S = 8.0


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
            Subject(symbol, self.kinds, GRANULARITIES, self.name, f"{symbol}/USD")
            for symbol in sorted(self._ids)
        ]

    def fetch(self, request: FetchRequest) -> list[FeedRecord]:
        check_served(self, request)
        feed_id = self._id_of(request.subject)
        if request.kind == TICK:
            price, at = self._price(feed_id, "latest")
            tick = FeedRecord(
                *request.key(self.name),
                datetime.fromtimestamp(at, UTC),
                {"price": price},
            )
            return [tick] if request.start <= tick.ts_event < request.end else []
        return self._candles(request, feed_id)

    def listen(self, feeds: Sequence[FeedKey]) -> AsyncGenerator[FeedRecord]:
        return poll(self, feeds)

    def _candles(self, request: FetchRequest, feed_id: str) -> list[FeedRecord]:
        length = seconds(request.granularity)
        first = -(-math.ceil(request.start.timestamp()) // length) * length
        last = min(
            math.ceil(request.end.timestamp()) - 1,
            math.floor(clock.now().timestamp()) - length,
        )
        limit = min(request.limit, self.page_limit)
        count = min(max(0, (last - first) // length + 1), limit)
        found: list[FeedRecord] = []
        opened = self._price(feed_id, str(first))[0] if count else 0.0
        for i in range(count):
            at = first + i * length
            close = self._price(feed_id, str(at + length))[0]
            values = {
                "open": opened,
                "high": max(opened, close),
                "low": min(opened, close),
                "close": close,
                "volume": 0.0,
            }
            found.append(
                FeedRecord(
                    *request.key(self.name),
                    datetime.fromtimestamp(at, UTC),
                    values,
                    meta={"sampled": True},
                )
            )
            opened = close
        return found

    def _price(self, feed_id: str, at: str) -> tuple[float, int]:
        """Price and publishing instant, at an epoch second or "latest"."""
        answer = self._get(
            f"v2/updates/price/{at}", {"ids[]": feed_id, "parsed": "true"}
        )
        for row in answer.get("parsed") or ():
            if _plain(row["id"]) == feed_id:
                price = row["price"]
                value = int(price["price"]) * 10.0 ** int(price["expo"])
                return value, int(price["publish_time"])
        raise ProviderError(f"pyth has no price of {feed_id} at {at}")

    def _id_of(self, subject: str) -> str:
        """BTC, BTCUSD and BTCUSDT are all the price of BTC in dollars."""
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
        ids = {
            row["attributes"]["base"].upper(): _plain(row["id"])
            for row in rows
            if row["attributes"].get("quote_currency", "USD") == "USD"
        }
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
                        f"pyth at {self._url} wants a key: PYTH_API_KEY {state}"
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


def _plain(feed_id: str) -> str:
    """Hermes answers without the 0x that it lists ids with."""
    return feed_id.lower().removeprefix("0x")
