"""Run all models of a folder: start, replace and end processes as files change."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import structlog

from competitions.local_models import cgroups, control, sandbox, submission
from competitions.local_models.coordinators import Coordinators
from competitions.local_models.launch import PACKAGE, Limits
from competitions.local_models.process import ModelProcess
from competitions.local_models.submission import Stamp, Submission
from competitions.local_models.trees import OwnedFolder
from competitions.local_models.users import Users
from core.texts import describe, message_of

log = structlog.get_logger(__name__)

SCAN_S = 0.25
USERS_FILE = ".users.json"
STARTS_AT_ONCE = max(2, (os.cpu_count() or 2))


class Orchestrator:
    """Keep one process for each sub-folder of a folder; announce it to coordinators."""

    def __init__(
        self, *, models_dir: Path, logs_dir: Path, crunch_id: str, limits: Limits
    ) -> None:
        self._models_dir = models_dir
        self._logs_dir = logs_dir
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
        # Failures by what was logged about them.
        self._failures: dict[tuple[str, str], str] = {}
        self._quarantine = {
            (row.model_id, row.code_hash): row.error
            for row in control.status(logs_dir)
            if row.state == "QUARANTINED"
        }
        self._coordinators = Coordinators(
            crunch_id=crunch_id,
            models=self._processes.values,
            on_failure=self._apply_failure,
        )
        self._serial = 0
        self._start_slots = asyncio.Semaphore(STARTS_AT_ONCE)

    async def run(self, *, socket: Path, until: asyncio.Event) -> None:
        """Serve at a unix socket until `until` is set, then stop every model.

        Raises NoUserError, and OSError where another orchestrator serves there or the
        socket cannot be made.
        """
        log.info("sandbox.chosen", meaning=self._sandbox)
        for folder in (self._models_dir, self._logs_dir):
            self._restrict(folder)
        if os.geteuid() == 0:
            self._users = await asyncio.to_thread(Users, self._logs_dir / USERS_FILE)
        server = await self._coordinators.serve(socket)
        log.info("orchestrator.listening", socket=str(socket))
        try:
            async with server:
                while not until.is_set():
                    try:
                        await self._scan()
                    except OSError as error:  # a full disk, a folder being moved
                        self._log_once("orchestrator.scan_failed", error)
                    else:
                        self._clear_failure("orchestrator.scan_failed")
                    try:
                        async with asyncio.timeout(SCAN_S):
                            await until.wait()
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

    def _restrict(self, folder: Path) -> None:
        """Let only this user open a folder of participants' code or logs.

        The examples stay readable for everybody.
        """
        if folder.is_relative_to(PACKAGE.parent):
            return
        with suppress(OSError):  # of a read-only volume; the site makes it then
            folder.mkdir(parents=True, exist_ok=True)
        if not folder.is_dir():
            return
        try:
            folder.chmod(0o700)
        except OSError as error:  # another user's, or a read-only volume
            if folder.stat().st_mode & 0o077:
                log.warning(
                    "orchestrator.open_folder",
                    folder=str(folder),
                    error=message_of(error),
                )

    async def _scan(self) -> None:
        """Deploy, replace or stop each model according to its folder."""
        folders = await asyncio.to_thread(self._read_folders)
        for model_id in sorted(self._processes.keys() | folders.keys()):
            try:
                await self._align(model_id, folders.get(model_id))
            except Exception as error:  # noqa: BLE001  its files may cause anything
                self._log_once("orchestrator.model_failed", error, model_id)
            else:
                self._clear_failure("orchestrator.model_failed", model_id)
        control.touch_heartbeat(self._logs_dir)

    def _log_once(self, event: str, error: Exception, model_id: str = "") -> None:
        """Log a failure once, though every scan meets it again."""
        text = describe(error)
        if self._failures.get((event, model_id)) != text:
            self._failures[event, model_id] = text
            log.warning(event, model=model_id, error=text)

    def _clear_failure(self, event: str, model_id: str = "") -> None:
        self._failures.pop((event, model_id), None)

    async def _align(
        self, model_id: str, folder: tuple[Stamp, Submission | None] | None
    ) -> None:
        """Deploy, replace or stop one model as its folder and its operator demand."""
        if folder is None:
            log.info("model.deleted", model=model_id)
            self._stamps.pop(model_id, None)
            await self._processes.pop(model_id).stop(error="its folder is gone")
            control.write_status(self._logs_dir, self._statuses())
            return
        stamp, version = folder
        if version is not None:
            older = self._processes.get(model_id)
            if older is None or older.submission != version:
                await self._deploy(version, older)
            self._stamps[model_id] = stamp  # not before: a failed edit is tried again
        if model_id in self._processes:
            await self._apply_requests(self._processes[model_id])

    async def _apply_requests(self, process: ModelProcess) -> None:
        """Restart, stop or start a model according to the operator's control files."""
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

    def _read_folders(self) -> dict[str, tuple[Stamp, Submission | None]]:
        """Return each folder's stamp, with its content if the stamp is new."""
        folders: dict[str, tuple[Stamp, Submission | None]] = {}
        for model_id, path in submission.folders(self._models_dir).items():
            known = self._stamps.get(model_id)
            try:
                stamp = submission.stamp(path)
                version = None if stamp == known else submission.read(path)
            except Exception as error:  # noqa: BLE001  its files may cause anything
                self._log_once("model.unreadable", error, model_id)
                stamp, version = known or (), None
            else:
                self._clear_failure("model.unreadable", model_id)
            folders[model_id] = (stamp, version)
        return folders

    async def _deploy(self, version: Submission, older: ModelProcess | None) -> None:
        if older is not None:
            log.info("model.replaced", model=version.model_id)
            await older.stop()
        self._serial += 1
        process = ModelProcess(
            version,
            uid=self._next_uid(),
            # Not the model's name, because the path of a unix socket has at most 107
            # bytes.
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
        """Return a user id that no other process has; 0 unless this runs as root."""
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
            self._coordinators.announce(process)

    async def _apply_failure(self, model_id: str, code: str, reason: str) -> None:
        """Restart or quarantine a model that a coordinator has reported.

        One that could not be reached is restarted. For any other failure the code is to
        blame, which is not started again until it changes.
        """
        process = self._processes.get(model_id)
        if process is None or process.state in ("STOPPED", "QUARANTINED"):
            return
        log.warning("model.failure_reported", model=model_id, code=code, reason=reason)
        if code == "CONNECTION_FAILED":
            process.restart()
        else:
            await process.stop("QUARANTINED", f"{code}: {reason}")
