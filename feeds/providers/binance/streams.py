"""Read Binance's streams with python-binance.

One connection that never reconnects itself: the caller connects again, because missed
records must be fetched, which the package does not do.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from core.parsing import JsonError, parse_json
from core.texts import brief
from feeds.errors import ProviderError, ProviderSettingError
from feeds.providers.binance.rest import REFUSES_SITE, TIMEOUT_S

SILENCE_S = 60.0
QUEUE = 10_000
LARGEST_MESSAGE = 2**20


async def messages(url: str, streams: Sequence[str]) -> AsyncGenerator[dict[str, Any]]:
    """Yield each message until the connection breaks or is silent for too long.

    A data message has `stream` and `data`; the caller skips others. Raises
    ProviderError at the end, or ProviderSettingError when the exchange refuses this
    site.
    """
    from binance import AsyncClient, BinanceSocketManager

    client = AsyncClient()
    manager = BinanceSocketManager(client, max_queue_size=QUEUE)
    manager.STREAM_URL = url
    socket = manager.multiplex_socket(list(streams))
    socket.MAX_RECONNECTS = 0
    socket.json_loads = _read  # the package's own limit ends the connection
    try:
        await _connect(socket, url)
        while True:
            yield await _next(socket)
    finally:
        # Only closing the underlying connection ends the package's read loop.
        await asyncio.gather(
            socket.close(), *([socket.ws.close()] if socket.ws else [])
        )
        await client.close_connection()


async def _connect(socket: Any, url: str) -> None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await socket.connect()
    except Exception as error:  # noqa: BLE001  of many kinds, all mean: try again
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in REFUSES_SITE:
            raise ProviderSettingError(
                f"binance refuses this site ({status}); set BINANCE_STREAM_URL to an "
                "address that serves you"
            ) from None
        raise ProviderError(f"binance at {url}: {error!r}") from None


def _read(text: str | bytes) -> dict[str, Any]:
    """Read the message in a frame; an invalid one does not end the connection."""
    try:
        message = parse_json(text, largest_bytes=LARGEST_MESSAGE)
    except JsonError as error:
        return {"unreadable": str(error)}
    # The package's own error messages have this form, but are not read here.
    if isinstance(message, dict) and message.get("e") != "error":
        return message
    return {"unreadable": brief(message)}


async def _next(socket: Any) -> dict[str, Any]:
    from binance.exceptions import ReadLoopClosed

    try:
        async with asyncio.timeout(SILENCE_S):
            message = await socket.recv()
    except TimeoutError:
        raise ProviderError(
            f"binance's stream was silent for {SILENCE_S:.0f} s"
        ) from None
    except ReadLoopClosed as error:
        raise ProviderError(f"binance's stream broke: {error}") from None
    if message.get("e") == "error":
        raise ProviderError(f"binance's stream broke: {message.get('m')}")
    found: dict[str, Any] = message
    return found
