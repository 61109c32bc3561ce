"""An orchestrator that sends what a test chooses, over a real WebSocket."""

import asyncio
import json
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from websockets.asyncio.server import broadcast, serve


class ScriptedOrchestrator:
    """Speaks the orchestrator's protocol from a thread of its own.

    It knows nothing of processes: a test announces what it likes.
    """

    def __init__(self) -> None:
        self.port = 0
        self.reports: list[dict[str, Any]] = []
        self.models: dict[str, dict[str, Any]] = {}
        self.refusal = ""  # said instead of the models, to everybody
        self.opened_at: list[float] = []  # monotonic seconds, of every link
        self._connections: set[Any] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: Any = None

    def start(self) -> "ScriptedOrchestrator":
        if not self._thread.is_alive():
            self._thread.start()
        self._run(self._listen())
        return self

    def pause(self) -> None:
        """Close the server and every link; `start` brings it back on its port."""
        self._run(self._close())

    def hang(self, until: threading.Event) -> None:
        """Answer nothing more, not even the closing of a link, until the event."""
        self._loop.call_soon_threadsafe(until.wait)

    def stop(self) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def announce(
        self,
        model_id: str,
        *,
        address: Path | tuple[str, int],
        state: str = "RUNNING",
        deployment: int = 1,
        **infos: Any,
    ) -> None:
        ip, port = ("unix", str(address)) if isinstance(address, Path) else address
        model = {
            "deployment_id": f"{model_id}_{deployment}",
            "model_id": model_id,
            "infos": {
                "model_name": f"name of {model_id}",
                "cruncher_id": f"cruncher-{model_id}",
                "cruncher_name": f"Cruncher {model_id}",
                "cruncher_wallet_pubkey": "wallet",
                "cruncher_hotkey": None,
                **infos,
            },
            "state": state,
            "ip": ip,
            "port": port,
        }
        self._run(self._announce(model))

    def withdraw(self, model_id: str, state: str = "STOPPED") -> None:
        self._run(self._announce({**self.models[model_id], "state": state}))

    def say(self, text: str) -> None:
        """Send every listener a frame of the test's own making."""

        async def send() -> None:
            broadcast(self._connections, text)

        self._run(send())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _listen(self) -> None:
        self._server = await serve(self._converse, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _end(self) -> None:
        await self._close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _announce(self, model: dict[str, Any]) -> None:
        self.models[model["model_id"]] = model
        broadcast(self._connections, json.dumps({"event": "update", "data": [model]}))

    async def _converse(self, connection: Any) -> None:
        self.opened_at.append(time.monotonic())
        if self.refusal:
            await connection.send(json.dumps({"error": self.refusal}))
            return
        self._connections.add(connection)
        running = [m for m in self.models.values() if m["state"] == "RUNNING"]
        await connection.send(json.dumps({"event": "init", "data": running}))
        try:
            async for message in connection:
                self.reports.extend(json.loads(message)["data"])
        finally:
            self._connections.discard(connection)
