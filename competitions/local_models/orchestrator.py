"""Tells coordinators over a WebSocket which models run where, and hears complaints.

The protocol of the official orchestrator: one `init` with the running models, then
`update` events; the client may send `report_failure`.
"""

import asyncio
import errno
import json
import os
from contextlib import suppress
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM
from socket import socket as Socket  # noqa: N812  a class
from typing import Any

import structlog
from websockets.asyncio.server import ServerConnection, broadcast, unix_serve
from websockets.exceptions import ConnectionClosed

from competitions.local_models import cgroups, control, sandbox, submission
from competitions.local_models.process import PACKAGE, Limits, ModelProcess
from competitions.local_models.submission import Stamp, Submission
from competitions.local_models.trees import OwnedFolder
from competitions.local_models.users import Users
from core.parsing import JsonError, parse_json
from core.texts import brief, describe, message_of, readable

log = structlog.get_logger(__name__)

SCAN_S = 0.25
USERS_FILE = ".users.json"
STARTS_AT_ONCE = max(2, (os.cpu_count() or 2))
LARGEST_REPORT_BYTES = 2**20
LARGEST_ADDRESS = 200


class Orchestrator:
    """All models of a folder, and the coordinators that listen."""

    def __init__(
        self, *, models_dir: Path, logs_dir: Path, crunch_id: str, limits: Limits
    ) -> None:
        self._models_dir = models_dir
        self._logs_dir = logs_dir
        self._crunch_id = crunch_id
        self._limits = limits
        self._sandbox = sandbox.describe(
            level=limits.level,
            bounds=limits.bounds,
            cpus=limits.cpus,
            controllers=limits.parents,
        )
        self._users: Users | None = None
        self._run_dir = OwnedFolder("crunchsite-models-")
        self._processes: dict[str, ModelProcess] = {}
        self._stamps: dict[str, Stamp] = {}
        self._troubles: dict[tuple[str, str], str] = {}  # as they were logged
        self._quarantine = {
            (row.model_id, row.code_hash): row.error
            for row in control.status(logs_dir)
            if row.state == "QUARANTINED"
        }
        self._listeners: set[ServerConnection] = set()
        self._serial = 0
        self._start_slots = asyncio.Semaphore(STARTS_AT_ONCE)

    async def run(self, *, socket: Path, until: asyncio.Event) -> None:
        """Serve at a unix socket until `until` is set, then stop every model.

        Raises OSError where another orchestrator serves there, or nobody can, and
        NoUserError.
        """
        log.info("sandbox.chosen", meaning=self._sandbox)
        for folder in (self._models_dir, self._logs_dir):
            self._close_to_others(folder)
        if os.geteuid() == 0:
            self._users = await asyncio.to_thread(Users, self._logs_dir / USERS_FILE)
        server = await unix_serve(
            self._converse, sock=_bound(socket), max_size=LARGEST_REPORT_BYTES
        )
        log.info("orchestrator.listening", socket=str(socket))
        try:
            async with server:
                while not until.is_set():
                    try:
                        await self._scan()
                    except OSError as error:  # a full disk, a folder being moved
                        self._note("orchestrator.scan_failed", error)
                    else:
                        self._mended("orchestrator.scan_failed")
                    try:
                        await asyncio.wait_for(until.wait(), SCAN_S)
                    except TimeoutError:
                        continue
        finally:
            processes = self._processes.values()
            running = [p for p in processes if p.state != "QUARANTINED"]
            ends = await asyncio.gather(
                *(process.stop() for process in running), return_exceptions=True
            )
            for process, end in zip(running, ends, strict=True):
                if end is not None:
                    log.error(
                        "model.not_stopped", model=process.model_id, error=describe(end)
                    )
            await asyncio.to_thread(socket.unlink, missing_ok=True)
            await asyncio.to_thread(self._run_dir.remove)
            cgroups.remove(self._limits.parents.values())
            if self._users is not None:
                self._users.close()

    def _close_to_others(self, folder: Path) -> None:
        """Participants' code and what it prints are for its operator's eyes.

        The examples are everybody's.
        """
        if folder.is_relative_to(PACKAGE.parent):
            return
        folder.mkdir(parents=True, exist_ok=True)
        try:
            folder.chmod(0o700)
        except OSError as error:  # not ours, or on a volume that is only read
            if folder.stat().st_mode & 0o077:
                log.warning(
                    "orchestrator.open_folder",
                    folder=str(folder),
                    error=message_of(error),
                )

    async def _scan(self) -> None:
        """Bring the processes in line with the folder: added, edited, deleted."""
        found = await asyncio.to_thread(self._look)
        for model_id in sorted(self._processes.keys() | found.keys()):
            try:
                await self._align(model_id, found.get(model_id))
            except Exception as error:  # noqa: BLE001  its files may cause anything
                self._note("orchestrator.model_failed", error, model_id)
            else:
                self._mended("orchestrator.model_failed", model_id)
        control.beat(self._logs_dir)

    def _note(self, event: str, error: Exception, model_id: str = "") -> None:
        """Log a trouble once: it is met again with each look."""
        text = describe(error)
        if self._troubles.get((event, model_id)) != text:
            self._troubles[event, model_id] = text
            log.warning(event, model=model_id, error=text)

    def _mended(self, event: str, model_id: str = "") -> None:
        self._troubles.pop((event, model_id), None)

    async def _align(
        self, model_id: str, found: tuple[Stamp, Submission | None] | None
    ) -> None:
        """Bring one model's process in line with its folder and its operator."""
        if found is None:
            log.info("model.deleted", model=model_id)
            self._stamps.pop(model_id, None)
            await self._processes.pop(model_id).stop(error="its folder is gone")
            control.write_status(self._logs_dir, self._statuses())
            return
        stamp, version = found
        if version is not None:
            older = self._processes.get(model_id)
            if older is None or older.submission != version:
                await self._deploy(version, older)
            self._stamps[model_id] = stamp  # not before, or a failure loses the edit
        if model_id in self._processes:
            await self._obey(self._processes[model_id])

    async def _obey(self, process: ModelProcess) -> None:
        """Do what the operator asked for in the control files."""
        if control.take_restart(self._logs_dir, process.model_id):
            key = (process.model_id, process.submission.code_hash)
            self._quarantine.pop(key, None)
            await self._deploy(process.submission, process)
        elif control.is_stopped(self._logs_dir, process.model_id):
            if process.state != "STOPPED":
                await process.stop("STOPPED", "stopped by the operator")
        elif process.state == "STOPPED":
            await self._deploy(process.submission, process)

    def _statuses(self) -> list[control.ModelStatus]:
        return [
            control.ModelStatus(
                model_id=process.model_id,
                name=process.submission.name,
                cruncher=process.submission.cruncher,
                state=process.state,
                error=process.error,
                restarts=process.restarts,
                deployment_id=process.deployment_id,
                code_hash=process.submission.code_hash,
                changed_at=process.changed_at,
                sandbox=self._sandbox,
                pid=process.pid,
            )
            for _, process in sorted(self._processes.items())
        ]

    def _look(self) -> dict[str, tuple[Stamp, Submission | None]]:
        """Each folder's stamp, with its content if the stamp is new."""
        found: dict[str, tuple[Stamp, Submission | None]] = {}
        for model_id, path in submission.folders(self._models_dir).items():
            known = self._stamps.get(model_id)
            try:
                stamp = submission.stamp(path)
                version = None if stamp == known else submission.read(path)
            except Exception as error:  # noqa: BLE001  its files may cause anything
                self._note("model.unreadable", error, model_id)
                stamp, version = known or (), None
            else:
                self._mended("model.unreadable", model_id)
            found[model_id] = (stamp, version)
        return found

    async def _deploy(self, version: Submission, older: ModelProcess | None) -> None:
        if older is not None:
            log.info("model.replaced", model=version.model_id)
            await older.stop()
        self._serial += 1
        process = ModelProcess(
            version,
            uid=self._next_uid(),
            # Not the model's name: the path of a unix socket has 107 bytes at most.
            run_dir=self._run_dir.path / str(self._serial),
            log_path=self._logs_dir / f"{version.model_id}.log",
            limits=self._limits,
            start_slots=self._start_slots,
            on_change=self._changed,
        )
        self._processes[version.model_id] = process
        reason = self._quarantine.get((version.model_id, version.code_hash))
        if control.is_stopped(self._logs_dir, version.model_id):
            await process.stop("STOPPED", "stopped by the operator")
        elif reason is None:
            process.start()
        else:
            await process.stop("QUARANTINED", reason)

    def _next_uid(self) -> int:
        """A user of its own for each process, where root may give one."""
        if self._users is None:
            return 0
        return self._users.take({process.uid for process in self._processes.values()})

    async def _changed(self, process: ModelProcess) -> None:
        try:
            control.write_status(self._logs_dir, self._statuses())
        except OSError as error:
            log.warning("orchestrator.no_status", error=str(error))
        if process.state == "QUARANTINED":
            key = (process.model_id, process.submission.code_hash)
            self._quarantine[key] = process.error
        if process.deployment_id and process.state != "STARTING":
            broadcast(self._listeners, _event("update", [_as_announced(process)]))

    async def _converse(self, connection: ServerConnection) -> None:
        """One coordinator: the running models at once, then every change."""
        assert connection.request is not None  # the handshake is over
        crunch_id = connection.request.path.strip("/")
        if crunch_id != self._crunch_id:
            found = f"crunch_id was {crunch_id!r}; this is {self._crunch_id!r}"
            await connection.send(json.dumps({"error": found}))
            return
        running = [p for p in self._processes.values() if p.state == "RUNNING"]
        self._listeners.add(connection)
        try:
            await connection.send(_event("init", [_as_announced(p) for p in running]))
            async for message in connection:
                await self._hear(message)
        except ConnectionClosed:
            return
        finally:
            self._listeners.discard(connection)

    async def _hear(self, message: str | bytes) -> None:
        try:
            event = parse_json(message, largest_bytes=LARGEST_REPORT_BYTES)
        except JsonError as error:
            log.warning("orchestrator.bad_message", error=describe(error))
            return
        is_event = isinstance(event, dict) and isinstance(event.get("data"), list)
        if not is_event or event.get("event") != "report_failure":
            log.warning("orchestrator.bad_message", found=brief(event))
            return
        senseless = [r for r in event["data"] if not _is_report(r)]
        if senseless:
            log.warning(
                "orchestrator.bad_reports",
                count=len(senseless),
                first=brief(senseless[0]),
            )
        for report in event["data"]:
            if _is_report(report):
                code = readable(report["failure_code"], limit=100)
                reason = report.get("failure_reason") or "no reason given"
                await self._complain(report["model_id"], code, readable(str(reason)))

    async def _complain(self, model_id: str, code: str, reason: str) -> None:
        """A coordinator gives up on a model.

        One that could not be reached is started again; any other fault is the code's,
        which is not started again until it changes.
        """
        process = self._processes.get(model_id)
        if process is None or process.state in ("STOPPED", "QUARANTINED"):
            return
        log.warning("model.complaint", model=model_id, code=code, reason=reason)
        if code == "CONNECTION_FAILED":
            process.restart()
        else:
            await process.stop("QUARANTINED", f"{code}: {reason}")


def _bound(path: Path) -> Socket:
    """A unix socket at a path, for this user alone; replaces one without a server."""
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


def _is_report(said: Any) -> bool:
    return isinstance(said, dict) and all(
        isinstance(said.get(name), str) for name in ("model_id", "failure_code")
    )


def _as_announced(process: ModelProcess) -> dict[str, Any]:
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
            # The gateway connects to a socket of this user and no other.
            "socket_uid": process.uid or os.geteuid(),
        },
        "state": states.get(process.state, "STOPPED"),
        "error": _why(process),
        "ip": "unix",
        "port": str(process.socket),
    }


def _why(process: ModelProcess) -> str:
    """Why a model does not run, for its owner and the operator; empty if it does."""
    if process.state == "QUARANTINED":
        return f"quarantined: {process.error}"
    return process.error if process.state == "STOPPED" else ""


def _event(name: str, data: list[dict[str, Any]]) -> str:
    return json.dumps({"event": name, "data": data})
