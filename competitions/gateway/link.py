"""The WebSocket to the orchestrator, hardened by subclassing the real client's."""

import asyncio
from typing import Any

import structlog
import websockets
from model_runner_client.websocket_client import WebsocketClient

log = structlog.get_logger(__name__)

LARGEST_ROSTER_BYTES = 16 * 2**20


class Link(WebsocketClient):
    """The WebSocket to the orchestrator; tries for ever, and says so once."""

    retry_s = 0.25

    def __init__(self, host: str, port: int, crunch_id: str, on_event: Any) -> None:
        super().__init__(host, port, crunch_id, on_event)
        self.retry_interval = self.retry_s
        self.error = ""

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
            log.warning("gateway.report_lost", message=message)

    async def connect(self) -> None:
        uri = f"ws://{self.host}:{self.port}/{self.crunch_id}"
        pause_s = self.retry_s
        while True:
            try:
                self.websocket = await websockets.connect(
                    uri, max_size=LARGEST_ROSTER_BYTES
                )
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                if not self.error:
                    log.warning("gateway.no_orchestrator", uri=uri, error=str(error))
                self.error = str(error)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 5.0)
            else:
                self.error = ""
                log.info("gateway.connected", uri=uri)
                return


def disarm(link: WebsocketClient) -> None:
    """The client's `__del__` registers this as an exit hook, which fails there."""
    link.disconnect_sync = _nothing


def _nothing() -> None:
    return None
