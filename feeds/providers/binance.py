"""Binance: python-binance where it is installed and works, plain HTTPS otherwise.

Both give the same records. A candle is closed when the exchange's own clock (the Date
header of its answer) has passed its end, so a site whose clock runs ahead never takes a
candle in the making for a closed one.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import local
from typing import Any

import requests
import structlog
from django.conf import settings

from feeds import clock
from feeds.errors import (
    FeedError,
    ProviderError,
    ProviderSettingError,
    UnknownSubjectError,
)
from feeds.providers.base import FetchRequest, Subject, check_served, poll
from feeds.records import CANDLE, OHLCV, FeedKey, FeedRecord, seconds

log = structlog.get_logger(__name__)

KINDS = (CANDLE,)
GRANULARITIES = (
    *("1s", "1m", "3m", "5m", "15m", "30m"),
    *("1h", "2h", "4h", "6h", "8h", "12h", "1d"),
)
TIMEOUT_S = 8.0
INVALID_SYMBOL = -1121

Json = Any


class Binance:
    """Candles over REST."""

    name = "binance"
    kinds = KINDS
    page_limit = 1000

    def __init__(self) -> None:
        self._base_url: str = settings.ENV.binance_api_url.rstrip("/")
        self._threads = local()

    def list_subjects(self) -> list[Subject]:
        answer, _ = self._get(
            "exchangeInfo", {}, by_package=lambda c: c.get_exchange_info()
        )
        return [
            Subject(
                row["symbol"],
                KINDS,
                GRANULARITIES,
                self.name,
                f"{row['baseAsset']}/{row['quoteAsset']}",
            )
            for row in answer.get("symbols", ())
            if row.get("status") == "TRADING"
        ]

    def fetch(self, request: FetchRequest) -> list[FeedRecord]:
        check_served(
            request, source=self.name, kinds=KINDS, granularities=GRANULARITIES
        )
        parameters = {
            "symbol": request.subject,
            "interval": request.granularity,
            "startTime": -(-round(request.start.timestamp() * 1e6) // 1000),
            "endTime": -(-round(request.end.timestamp() * 1e6) // 1000) - 1,
            "limit": min(request.limit, self.page_limit),
        }
        rows, server_at = self._get(
            "klines", parameters, by_package=lambda c: c.get_klines(**parameters)
        )
        length = seconds(request.granularity)
        key = request.key(self.name)
        return [
            FeedRecord(
                *key,
                datetime.fromtimestamp(row[0] / 1000, UTC),
                dict(zip(OHLCV, map(float, row[1:6]), strict=True)),
                row[0] / 1000 + length <= server_at,
            )
            for row in rows
        ]

    def listen(self, feeds: Sequence[FeedKey]) -> AsyncIterator[FeedRecord]:
        return poll(self, feeds)

    def _get(
        self,
        endpoint: str,
        parameters: dict[str, Any],
        *,
        by_package: Callable[[Any], Json],
    ) -> tuple[Json, float]:
        """The endpoint's answer, and the exchange's time in epoch seconds."""
        client = self._client()
        if client is not None:
            try:
                answer = by_package(client)
                return answer, _server_time(client.response)
            except Exception as error:  # noqa: BLE001  any fault of the package: plain HTTPS asks again
                response = getattr(error, "response", None)
                if response is not None:
                    raise _refusal(response, parameters) from None
                log.warning("binance.package_failed", error=str(error))
        try:
            response = requests.get(
                f"{self._base_url}/v3/{endpoint}", parameters, timeout=TIMEOUT_S
            )
            if response.status_code != requests.codes.ok:
                raise _refusal(response, parameters)
            return response.json(), _server_time(response)
        except requests.RequestException as error:
            raise ProviderError(f"binance at {self._base_url}: {error}") from None

    def _client(self) -> Any:
        """One python-binance client a thread, as its last response lies on it."""
        if not hasattr(self._threads, "client"):
            try:
                from binance.client import Client
            except ImportError:
                self._threads.client = None
            else:
                client = Client(ping=False, requests_params={"timeout": TIMEOUT_S})
                client.API_URL = self._base_url
                self._threads.client = client
        return self._threads.client


def _server_time(response: Any) -> float:
    """The answer's Date header; it is cut to the second, so never too late."""
    header = response.headers.get("Date")
    if header is None:
        return clock.now().timestamp()
    return parsedate_to_datetime(header).timestamp()


def _refusal(response: Any, parameters: dict[str, Any]) -> FeedError:
    try:
        body = response.json()
    except ValueError:
        body = {}
    said = body.get("msg") if isinstance(body, dict) else None
    said = said or f"HTTP {response.status_code}"
    if isinstance(body, dict) and body.get("code") == INVALID_SYMBOL:
        return UnknownSubjectError(
            f"subject was {parameters.get('symbol')!r}; binance does not know it, "
            "give a full pair like BTCUSDT"
        )
    match response.status_code:
        case 418 | 429:
            wait_s = float(response.headers.get("Retry-After", 60))
            return ProviderError(
                f"binance asks to wait {wait_s:.0f} s: {said}", retry_after_s=wait_s
            )
        case 401 | 403 | 451:
            return ProviderSettingError(
                f"binance refuses this site ({response.status_code}: {said}); "
                "set BINANCE_API_URL to an address that serves your region"
            )
        case _:
            return ProviderError(f"binance: {said} (HTTP {response.status_code})")
