"""Serve coordinators over a WebSocket: which models run where, and their failures.

The protocol of the official orchestrator: one `init` with the running models, then
`update` events; a coordinator may send `report_failure`.
"""

import errno
import json
import os
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM
from socket import socket as Socket  # noqa: N812  a class
from typing import TypedDict, TypeGuard

import structlog
from websockets.asyncio.server import Server, ServerConnection, broadcast, unix_serve
from websockets.exceptions import ConnectionClosed

from competitions.local_models.process import ModelProcess
from core.parsing import JsonError, parse_json
from core.texts import brief, describe, readable

log = structlog.get_logger(__name__)

LARGEST_REPORT_BYTES = 2**20


class FailureReport(TypedDict, total=False):
    """One entry of a coordinator's `report_failure`; the reason may be missing."""

    model_id: str
    failure_code: str
    failure_reason: object


class ModelEntryInfos(TypedDict):
    """The owner of a model; `socket_uid` is the user whose socket the gateway takes."""

    model_name: str
    cruncher_id: str
    cruncher_name: str
    cruncher_wallet_pubkey: str
    cruncher_hotkey: None
    socket_uid: int


class ModelEntry(TypedDict):
    """One model as `init` and `update` events name it."""

    deployment_id: str
    model_id: str
    infos: ModelEntryInfos
    state: str
    error: str
    ip: str
    port: str


class Coordinators:
    """Send the models to each connected coordinator, and receive its reports.

    `models` returns the processes that exist now. `on_failure` is awaited with model
    id, code and cleaned reason for each failure that a coordinator reports.
    """

    def __init__(
        self,
        *,
        crunch_id: str,
        models: Callable[[], Iterable[ModelProcess]],
        on_failure: Callable[[str, str, str], Awaitable[None]],
    ) -> None:
        self._crunch_id = crunch_id
        self._models = models
        self._on_failure = on_failure
        self._connections: set[ServerConnection] = set()

    async def serve(self, socket: Path) -> Server:
        """Listen at a unix socket; raises OSError where another one serves there."""
        return await unix_serve(
            self._converse, sock=_bound(socket), max_size=LARGEST_REPORT_BYTES
        )

    def announce(self, process: ModelProcess) -> None:
        """Send a model's present state to every coordinator."""
        broadcast(self._connections, _event("update", [_announced(process)]))

    async def _converse(self, connection: ServerConnection) -> None:
        """Send one coordinator the running models, then read its messages."""
        assert connection.request is not None  # the handshake is done
        crunch_id = connection.request.path.strip("/")
        if crunch_id != self._crunch_id:
            problem = f"crunch_id was {crunch_id!r}; this is {self._crunch_id!r}"
            await connection.send(json.dumps({"error": problem}))
            return
        running = [p for p in self._models() if p.state == "RUNNING"]
        self._connections.add(connection)
        try:
            await connection.send(_event("init", [_announced(p) for p in running]))
            async for message in connection:
                await self._handle_message(message)
        except ConnectionClosed:
            return
        finally:
            self._connections.discard(connection)

    async def _handle_message(self, message: str | bytes) -> None:
        try:
            event = parse_json(message, largest_bytes=LARGEST_REPORT_BYTES)
        except JsonError as error:
            log.warning("orchestrator.bad_message", error=describe(error))
            return
        is_event = isinstance(event, dict) and isinstance(event.get("data"), list)
        if not is_event or event.get("event") != "report_failure":
            log.warning("orchestrator.bad_message", message=brief(event))
            return
        reports = [report for report in event["data"] if _is_report(report)]
        if invalid := [report for report in event["data"] if not _is_report(report)]:
            log.warning(
                "orchestrator.bad_reports", count=len(invalid), first=brief(invalid[0])
            )
        for report in reports:
            code = readable(report["failure_code"], limit=100)
            reason = report.get("failure_reason") or "no reason given"
            await self._on_failure(report["model_id"], code, readable(str(reason)))


def _bound(path: Path) -> Socket:
    """Bind a unix socket for this user alone; replaces one that has no server."""
    path.parent.mkdir(parents=True, exist_ok=True)
    server = Socket(AF_UNIX, SOCK_STREAM)
    with (
        Socket(AF_UNIX, SOCK_STREAM) as probe,
        suppress(FileNotFoundError, ConnectionRefusedError),
    ):
        probe.connect(str(path))
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), str(path))
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        server.bind(str(path))
    finally:
        os.umask(before)
    return server


def _is_report(value: object) -> TypeGuard[FailureReport]:
    return isinstance(value, dict) and all(
        isinstance(value.get(name), str) for name in ("model_id", "failure_code")
    )


def _announced(process: ModelProcess) -> ModelEntry:
    cruncher = process.submission.cruncher
    states = {"RUNNING": "RUNNING", "RECOVERING": "RECOVERING"}
    return {
        "deployment_id": process.deployment_id,
        "model_id": process.model_id,
        "infos": {
            "model_name": process.submission.name,
            "cruncher_id": cruncher,
            "cruncher_name": cruncher,
            "cruncher_wallet_pubkey": "",
            "cruncher_hotkey": None,
            "socket_uid": process.uid or os.geteuid(),
        },
        "state": states.get(process.state, "STOPPED"),
        "error": _reason(process),
        "ip": "unix",
        "port": str(process.socket),
    }


def _reason(process: ModelProcess) -> str:
    """Return why a model does not run, for its owner; empty if it does."""
    if process.state == "QUARANTINED":
        return f"quarantined: {process.error}"
    return process.error if process.state == "STOPPED" else ""


def _event(name: str, data: list[ModelEntry]) -> str:
    return json.dumps({"event": name, "data": data})
