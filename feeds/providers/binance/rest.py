"""Ask Binance over REST: python-binance, or plain HTTPS with the same answers.

Plain HTTPS is used when the package is missing or fails itself. Refusals of the
exchange are not such a failure: they would be the same over HTTPS.
"""

import asyncio
import time
from dataclasses import dataclass
from threading import Lock, local
from typing import Any

import requests
import structlog

from core import clock
from feeds.errors import (
    FeedError,
    ProviderError,
    ProviderSettingError,
    UnknownSubjectError,
)
from feeds.providers.waits import instant_of, retry_after_s, weight_of

log = structlog.get_logger(__name__)

TIMEOUT_S = 8.0
INVALID_SYMBOL = -1121
# Binance bans an address that continues beyond the weight of a minute.
WEIGHT_LIMIT = 6000
WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"
SPARE_WEIGHT = 600
DEFAULT_WAIT_S = 60.0
# Asking again does not change these: a wrong key, a ban, a region it does not serve.
REFUSES_SITE = (401, 403, 451)


@dataclass(frozen=True)
class Endpoint:
    """A REST path, and python-binance's method for it."""

    method: str
    path: str
    is_futures: bool = False


KLINES = Endpoint("get_klines", "v3/klines")
TRADES = Endpoint("get_aggregate_trades", "v3/aggTrades")
DEPTH = Endpoint("get_order_book", "v3/depth")
EXCHANGE = Endpoint("get_exchange_info", "v3/exchangeInfo")
MARK_PRICE = Endpoint("futures_mark_price", "v1/premiumIndex", is_futures=True)


class Rest:
    """One address of Binance, for all threads of a process.

    When the exchange demands a pause, no thread asks until it is over.
    """

    def __init__(self, *, api_url: str, futures_url: str) -> None:
        self._api_url = api_url.rstrip("/")
        self._futures_url = futures_url.rstrip("/")
        self._threads = local()
        self._lock = Lock()
        self._closed_until = 0.0

    def get(self, endpoint: Endpoint, **parameters: Any) -> tuple[Any, float]:
        """Return the decoded answer, and the exchange's own time in epoch seconds.

        Raises ProviderError when asking later may help, ProviderSettingError when it
        will not, UnknownSubjectError for a symbol that Binance does not have.
        """
        self._wait_for_permission()
        try:
            answer, response = self._ask(endpoint, parameters)
        except requests.RequestException as error:
            raise ProviderError(f"binance at {self._api_url}: {error}") from None
        if response.status_code != requests.codes.ok:
            raise self._refusal(response, parameters)
        self._mind_the_weight(response)
        return answer, _server_time(response)

    def _ask(self, endpoint: Endpoint, parameters: dict[str, Any]) -> tuple[Any, Any]:
        client = self._client()
        if client is not None:
            try:
                return getattr(client, endpoint.method)(**parameters), client.response
            except requests.RequestException:
                raise
            except Exception as error:  # noqa: BLE001  any fault of the package: plain HTTPS asks again
                response = getattr(error, "response", None)
                if response is not None:
                    return None, response
                log.warning("binance.package_failed", error=repr(error))
        base = self._futures_url if endpoint.is_futures else self._api_url
        response = requests.get(
            f"{base}/{endpoint.path}", parameters, timeout=TIMEOUT_S
        )
        if response.status_code != requests.codes.ok:
            return None, response
        return response.json(), response

    def _client(self) -> Any:
        """Return the thread's own python-binance client: it keeps its last response."""
        if not hasattr(self._threads, "client"):
            try:
                from binance.client import Client
            except ImportError:
                self._threads.client = None
            else:
                # The package needs an event loop, which this client never uses.
                loop = asyncio.new_event_loop()
                asyncio.set_event_loop(loop)
                client = Client(ping=False, requests_params={"timeout": TIMEOUT_S})
                asyncio.set_event_loop(None)
                loop.close()
                client.API_URL = self._api_url
                client.FUTURES_URL = self._futures_url
                self._threads.client = client
        return self._threads.client

    def _wait_for_permission(self) -> None:
        left_s = self._closed_until - time.monotonic()
        if left_s > 0:
            raise ProviderError(
                f"binance asked to wait; {left_s:.0f} s are left", retry_after_s=left_s
            )

    def _close_for(self, wait_s: float) -> None:
        with self._lock:
            self._closed_until = max(self._closed_until, time.monotonic() + wait_s)

    def _mind_the_weight(self, response: Any) -> None:
        used = weight_of(response.headers.get(WEIGHT_HEADER))
        if used > WEIGHT_LIMIT - SPARE_WEIGHT:
            wait_s = 60 - _server_time(response) % 60
            log.warning("binance.weight_spent", used=used, wait_s=wait_s)
            self._close_for(wait_s)

    def _refusal(self, response: Any, parameters: dict[str, Any]) -> FeedError:
        try:
            body = response.json()
        except ValueError:
            body = None
        body = body if isinstance(body, dict) else {}
        said = body.get("msg") or f"HTTP {response.status_code}"
        if body.get("code") == INVALID_SYMBOL:
            return UnknownSubjectError(
                f"subject was {parameters.get('symbol')!r}; binance does not know it, "
                "give a full pair like BTCUSDT"
            )
        match response.status_code:
            case 418 | 429:
                wait_s = retry_after_s(response, default_s=DEFAULT_WAIT_S)
                self._close_for(wait_s)
                return ProviderError(
                    f"binance asks to wait {wait_s:.0f} s: {said}", retry_after_s=wait_s
                )
            case status if status in REFUSES_SITE:
                return ProviderSettingError(
                    f"binance refuses this site ({status}: {said}); set "
                    "BINANCE_API_URL to an address that serves you"
                )
            case status:
                return ProviderError(f"binance: {said} (HTTP {status})")


def _server_time(response: Any) -> float:
    """Return the answer's Date header, truncated to the second, so never too late."""
    at = instant_of(response.headers.get("Date"))
    return clock.now().timestamp() if at is None else at
