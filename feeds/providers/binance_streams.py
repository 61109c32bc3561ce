"""Binance's streams, as python-binance reads them.

One connection and no second: the caller connects anew, because what was missed
meanwhile must be fetched, which the package's own reconnecting does not do.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from feeds.errors import ProviderError, ProviderSettingError
from feeds.providers.binance_rest import REFUSES_SITE, TIMEOUT_S

SILENCE_S = 60.0
QUEUE = 10_000


async def messages(
    url: str, streams: Sequence[str]
) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    """Stream and data of each message, until the connection breaks or falls silent.

    Raises ProviderError then, and ProviderSettingError when the exchange will not
    have this site.
    """
    from binance import AsyncClient, BinanceSocketManager

    client = AsyncClient()
    manager = BinanceSocketManager(client, max_queue_size=QUEUE)
    manager.STREAM_URL = url
    socket = manager.multiplex_socket(list(streams))
    socket.MAX_RECONNECTS = 0
    try:
        await _connect(socket, url)
        while True:
            yield await _next(socket)
    finally:
        # Closing the connection under it is what ends the package's read loop.
        await asyncio.gather(
            socket.close(), *([socket.ws.close()] if socket.ws else [])
        )
        await client.close_connection()


async def _connect(socket: Any, url: str) -> None:
    try:
        await asyncio.wait_for(socket.connect(), timeout=TIMEOUT_S)
    except Exception as error:  # noqa: BLE001  of many kinds, all mean: try again
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in REFUSES_SITE:
            raise ProviderSettingError(
                f"binance refuses this site ({status}); set BINANCE_STREAM_URL to an "
                "address that serves you"
            ) from None
        raise ProviderError(f"binance at {url}: {error!r}") from None


async def _next(socket: Any) -> tuple[str, dict[str, Any]]:
    from binance.exceptions import ReadLoopClosed

    try:
        message = await asyncio.wait_for(socket.recv(), timeout=SILENCE_S)
    except TimeoutError:
        raise ProviderError(
            f"binance's stream was silent for {SILENCE_S:.0f} s"
        ) from None
    except ReadLoopClosed as error:
        raise ProviderError(f"binance's stream broke: {error}") from None
    match message:
        case {"stream": str(stream), "data": dict(data)}:
            return stream, data
        case {"e": "error", "m": said}:
            raise ProviderError(f"binance's stream broke: {said}")
    raise ProviderError(f"binance's stream said what nobody expects: {message!r:.200}")
