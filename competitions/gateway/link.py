"""The WebSocket to the orchestrator: a safer subclass of the real client's."""

import asyncio
import math
import os
import stat
import time
from typing import Any

import structlog
import websockets
from model_runner_client.websocket_client import WebsocketClient

from core.backoff import backoff
from core.parsing import JsonError, parse_json
from core.texts import brief, message_of, readable

log = structlog.get_logger(__name__)

LARGEST_ROSTER_BYTES = 16 * 2**20
MOST_ROSTER_VALUES = 500_000
STEADY_S = 5.0  # after this long an open link counts as working
LONGEST_PAUSE_S = 5.0
GOODBYE_S = 2.0  # an orchestrator that hangs answers no closing either
_BOUNDS: dict[str, Any] = {
    "max_size": LARGEST_ROSTER_BYTES,
    "close_timeout": GOODBYE_S,
}


class Link(WebsocketClient):
    """Connect to the orchestrator, and reconnect for ever; log each failure once."""

    retry_s = 0.25

    def __init__(self, host: str, port: int, crunch_id: str, on_event: Any) -> None:
        """Take a host name, or the path of a unix socket; then `port` is ignored."""
        super().__init__(host, port, crunch_id, on_event)
        self.retry_interval = self.retry_s
        self.error = ""
        self.refusal = ""  # what the orchestrator says of another competition
        self._attempts = 0  # since the link last stayed open for a while
        self._opened_at = -math.inf

    def __del__(self) -> None:
        """Do nothing: the client's own hook would fail at exit, without a loop."""

    @property
    def is_open(self) -> bool:
        socket = self.websocket
        return socket is not None and socket.state is websockets.State.OPEN

    async def send_message(self, message: str) -> None:
        """Send a message, or drop it while the link is closed.

        A failure that is reported late could name a model that was started anew
        meanwhile; one that still fails is reported again.
        """
        try:
            if self.websocket is not None:
                await self.websocket.send(message)
        except websockets.ConnectionClosed:
            log.warning("gateway.report_dropped", message=readable(message))

    async def handle_event(self, message: str | bytes) -> None:
        """Pass an event to the handler; log and drop an invalid one."""
        try:
            event = await asyncio.to_thread(  # a large one takes a while
                parse_json,
                message,
                largest_bytes=LARGEST_ROSTER_BYTES,
                most_values=MOST_ROSTER_VALUES,
            )
        except JsonError as error:
            log.warning("orchestrator.invalid_frame", error=message_of(error))
            return
        if not isinstance(event, dict):
            log.warning("orchestrator.invalid_frame", error=brief(event))
            return
        if refusal := event.get("error"):
            # Each new link is refused with the same text, every few seconds.
            if brief(refusal) != self.refusal:
                self.refusal = brief(refusal)
                log.warning("gateway.refused", error=self.refusal)
            return
        self.refusal = ""
        await self.event_handler(event.get("event"), event.get("data"))

    async def connect(self) -> None:
        is_path = self.host.startswith("/")
        uri = f"ws://{'localhost' if is_path else f'{self.host}:{self.port}'}"
        uri += f"/{self.crunch_id}"
        where = self.host if is_path else uri
        if time.monotonic() - self._opened_at < STEADY_S:
            await self._pause()  # the orchestrator closed the link at once
        else:
            self._attempts = 0
        while True:
            try:
                self.websocket = await (
                    websockets.unix_connect(self.host, uri=uri, **_BOUNDS)
                    if is_path
                    else websockets.connect(uri, **_BOUNDS)
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
        await asyncio.sleep(
            backoff(self._attempts, first_s=self.retry_s, most_s=LONGEST_PAUSE_S)
        )
        self._attempts += 1


def check_socket(path: str, *, owner: int | None) -> None:
    """Raise OSError unless the path is a real unix socket that `owner` owns.

    A symbolic link could lead to another model's socket. `owner` is a user id, None if
    unknown.
    """
    status = os.lstat(path)
    if not stat.S_ISSOCK(status.st_mode):
        raise OSError(f"{path} is no socket")
    if owner is not None and status.st_uid != owner:
        raise OSError(f"{path} is a socket of user {status.st_uid}, not of {owner}")


def disarm(link: WebsocketClient) -> None:
    """Replace the exit hook that the client's `__del__` registers; it fails there."""
    link.disconnect_sync = _nothing


def _nothing() -> None:
    return None
