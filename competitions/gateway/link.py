"""The WebSocket to the orchestrator, hardened by subclassing the real client's."""

import asyncio
import math
import os
import stat
import time
from typing import Any

import structlog
import websockets
from model_runner_client.websocket_client import WebsocketClient

from core.parsing import JsonError, parse_json
from core.texts import brief, message_of, readable

log = structlog.get_logger(__name__)

LARGEST_ROSTER_BYTES = 16 * 2**20
MOST_ROSTER_VALUES = 500_000
STEADY_S = 5.0  # a link that was open this long was a good one
LONGEST_PAUSE_S = 5.0


class Link(WebsocketClient):
    """The WebSocket to the orchestrator; tries for ever, and says so once."""

    retry_s = 0.25

    def __init__(self, host: str, port: int, crunch_id: str, on_event: Any) -> None:
        """`host` is a name, or a unix socket's path, and then `port` is nothing."""
        super().__init__(host, port, crunch_id, on_event)
        self.retry_interval = self.retry_s
        self.error = ""
        self._pause_s = self.retry_s
        self._opened_at = -math.inf

    def __del__(self) -> None:
        """The client's own would register an exit hook that fails without a loop."""

    @property
    def is_open(self) -> bool:
        socket = self.websocket
        return socket is not None and socket.state is websockets.State.OPEN

    async def send_message(self, message: str) -> None:
        """Send now or never: what is held against a model ages.

        While the orchestrator is away, models are started anew and others take their
        names; one that is still at fault will be reported again.
        """
        try:
            if self.websocket is not None:
                await self.websocket.send(message)
        except websockets.ConnectionClosed:
            log.warning("gateway.report_lost", message=readable(message))

    async def handle_event(self, message: str | bytes) -> None:
        """Pass an event on; what is none is logged, and the link stays."""
        try:
            event = await asyncio.to_thread(  # a large one takes a while
                parse_json,
                message,
                largest_bytes=LARGEST_ROSTER_BYTES,
                most_values=MOST_ROSTER_VALUES,
            )
        except JsonError as error:
            log.warning("orchestrator.senseless_frame", error=message_of(error))
            return
        if not isinstance(event, dict):
            log.warning("orchestrator.senseless_frame", error=brief(event))
            return
        if refusal := event.get("error"):
            log.warning("gateway.refused", error=brief(refusal))
            return
        await self.event_handler(event.get("event"), event.get("data"))

    async def connect(self) -> None:
        is_path = self.host.startswith("/")
        uri = f"ws://{'localhost' if is_path else f'{self.host}:{self.port}'}"
        uri += f"/{self.crunch_id}"
        where = self.host if is_path else uri
        if time.monotonic() - self._opened_at < STEADY_S:
            await self._pause()  # it hung up on us
        else:
            self._pause_s = self.retry_s
        while True:
            try:
                self.websocket = await (
                    websockets.unix_connect(
                        self.host, uri=uri, max_size=LARGEST_ROSTER_BYTES
                    )
                    if is_path
                    else websockets.connect(uri, max_size=LARGEST_ROSTER_BYTES)
                )
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                if not self.error:
                    log.warning(
                        "gateway.no_orchestrator", uri=where, error=message_of(error)
                    )
                self.error = message_of(error)
                await self._pause()
            else:
                self.error = ""
                self._opened_at = time.monotonic()
                log.info("gateway.connected", uri=where)
                return

    async def _pause(self) -> None:
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)


def check_socket(path: str, *, owner: int | None) -> None:
    """Raise OSError unless a plain unix socket lies there, and its owner is the model.

    A link could lead to another model's; `owner` is None where nobody has said it.
    """
    found = os.lstat(path)
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(f"{path} is no socket")
    if owner is not None and found.st_uid != owner:
        raise OSError(f"{path} is a socket of user {found.st_uid}, not of {owner}")


def disarm(link: WebsocketClient) -> None:
    """The client's `__del__` registers this as an exit hook, which fails there."""
    link.disconnect_sync = _nothing


def _nothing() -> None:
    return None
