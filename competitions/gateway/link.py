"""The WebSocket to the orchestrator, hardened by subclassing the real client's."""

import asyncio
import math
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
        uri = f"ws://{self.host}:{self.port}/{self.crunch_id}"
        if time.monotonic() - self._opened_at < STEADY_S:
            await self._pause()  # it hung up on us
        else:
            self._pause_s = self.retry_s
        while True:
            try:
                self.websocket = await websockets.connect(
                    uri, max_size=LARGEST_ROSTER_BYTES
                )
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                if not self.error:
                    log.warning(
                        "gateway.no_orchestrator", uri=uri, error=message_of(error)
                    )
                self.error = message_of(error)
                await self._pause()
            else:
                self.error = ""
                self._opened_at = time.monotonic()
                log.info("gateway.connected", uri=uri)
                return

    async def _pause(self) -> None:
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)


def disarm(link: WebsocketClient) -> None:
    """The client's `__del__` registers this as an exit hook, which fails there."""
    link.disconnect_sync = _nothing


def _nothing() -> None:
    return None
