"""Manage one model's process: starts, restarts and quarantine."""

import asyncio
import contextlib
import os
import secrets
import signal
import stat
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Literal

import structlog

from competitions.local_models import cgroups, users
from competitions.local_models.keeper import READY
from competitions.local_models.launch import Limits, launch, read_first
from competitions.local_models.model_log import ModelLog
from competitions.local_models.submission import Submission
from competitions.local_models.trees import remove_tree
from core.backoff import backoff
from core.texts import describe, message_of, readable

log = structlog.get_logger(__name__)

MOST_RESTARTS = 4
STEADY_S = 300.0  # a process that lived this long has recovered
START_TIMEOUT_S = 60.0
END_S = 10.0
LOOK_S = 1.0
_KILL = signal.SIGKILL
START_PAUSE_S = 5.0
# Signals from outside, which are no fault of the code. A model that sends them to
# itself is restarted after longer and longer pauses.
_FROM_OUTSIDE = {
    *(-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP),
    -signal.SIGSTOP,  # of its keeper
}
LONGEST_PAUSE_S = 60.0
# An error that begins so is the machine's: nothing of the model has run.
NOT_STARTED = "it could not be started: "

State = Literal["STARTING", "RUNNING", "RECOVERING", "STOPPED", "QUARANTINED"]


class ModelProcess:
    """Keep one submission served by one process: start, restart, quarantine.

    `on_change` is called after each change of state. A deployment id and its socket are
    never used again: to a coordinator, a new id means a new process.
    """

    def __init__(
        self,
        submission: Submission,
        *,
        uid: int,
        run_dir: Path,
        log_path: Path,
        limits: Limits,
        start_slots: asyncio.Semaphore,
        on_change: Callable[["ModelProcess"], Coroutine[Any, Any, None]],
    ) -> None:
        self.submission = submission
        self.state: State = "STARTING"
        self.error = ""
        self.changed_at = _now()
        self.restarts = 0
        self.deployment_id = ""
        self.socket = Path()
        self._faults = 0  # ends caused by its code
        self._uid = uid
        self._run_dir = run_dir
        self._limits = limits
        self._start_slots = start_slots
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._log = ModelLog(log_path)
        self._life: asyncio.Task[None] | None = None
        self._log_reader: asyncio.Task[None] | None = None
        self._groups: list[Path] = []

    @property
    def model_id(self) -> str:
        return self.submission.model_id

    @property
    def uid(self) -> int:
        return self._uid

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._life = asyncio.create_task(self._live())

    async def stop(self, state: State = "STOPPED", error: str = "") -> None:
        """End the process for good and record `state`, with `error` as its reason."""
        if self._life is not None:
            self._life.cancel()
            await asyncio.gather(self._life, return_exceptions=True)
            self._life = None
        await self._change(state, error)
        await self._end_process()
        await asyncio.to_thread(remove_tree, self._run_dir)

    async def _live(self) -> None:
        """Start process after process until the model is quarantined."""
        while self.state != "QUARANTINED":
            try:
                await self._live_once()
            except Exception as error:  # noqa: BLE001  or nobody would start it again
                # A fault of the machine or of this program, not of the model.
                await self._end_process()
                await self._change("RECOVERING", NOT_STARTED + message_of(error))
                await asyncio.sleep(START_PAUSE_S)

    async def _live_once(self) -> None:
        """Start a process, and wait until it has ended and may be started again."""
        async with self._start_slots:
            is_up = await self._start_process()
        started_at = time.monotonic()
        if is_up:
            await self._change("RUNNING")
        assert self._process is not None  # _start_process made it
        ending, code = await self._ending_of(self._process)
        is_out_of_memory = cgroups.ran_out_of_memory(self._groups)
        await self._end_group()
        if time.monotonic() - started_at > STEADY_S:
            self.restarts = self._faults = 0
        ending = "it ran out of memory" if is_out_of_memory else ending
        reason = f"its process ended ({ending}): {self._log.last_words()}"
        reason = reason if is_up else NOT_STARTED + reason
        log.warning("model.ended", model=self.model_id, reason=reason)
        if is_up and (is_out_of_memory or code not in _FROM_OUTSIDE):
            self._faults += 1
        if self._faults > MOST_RESTARTS:
            times = self._faults
            await self._change("QUARANTINED", f"{times} times in a row {reason}")
            return
        await self._change("RECOVERING", reason)
        await asyncio.sleep(backoff(self.restarts, first_s=0.1, most_s=LONGEST_PAUSE_S))
        self.restarts += 1

    async def _ending_of(self, process: asyncio.subprocess.Process) -> tuple[str, int]:
        """Wait for a process to end; says how, and its exit code.

        It is the keeper's process. One that somebody stops could keep no model, so that
        it is ended.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    code = await process.wait()
                return _ending(code), code
            if _is_stopped(process.pid):
                await self._end_process()
                return "its keeper was stopped", -signal.SIGSTOP

    async def _start_process(self) -> bool:
        """Start a process and wait until it listens; False when it ended first."""
        stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime())
        serial = f"{time.monotonic_ns() // 1000 % 1_000_000:06d}"
        self.deployment_id = f"{self.model_id}_{stamp}_{serial}"
        # Not derived from its name or deployment, which everybody can read.
        self.socket = self._run_dir / f"{secrets.token_hex(8)}.sock"
        await asyncio.to_thread(remove_tree, self._run_dir)
        self._run_dir.mkdir(mode=0o700)
        if self._uid:
            os.chown(self._run_dir, self._uid, self._uid)
        bounds = self._limits.bounds
        self._groups = cgroups.make(
            self._limits.parents,
            f"{self._run_dir.parent.name}-{self._run_dir.name}",
            cpus=self._limits.cpus,
            memory_mb=bounds.memory_mb,
            tasks=bounds.tasks,
        )
        ready, write_ready = os.pipe()
        try:
            try:
                self._process = await launch(
                    model=self.submission.path,
                    socket=self.socket,
                    uid=self._uid,
                    limits=self._limits,
                    groups=self._groups,
                    ready=write_ready,
                )
            finally:
                os.close(write_ready)
            assert self._process.stdout is not None  # a pipe
            self._log_reader = asyncio.create_task(self._log.copy(self._process.stdout))
            async with asyncio.timeout(START_TIMEOUT_S):
                first = await read_first(ready)
        except TimeoutError:
            self._kill()
            return False
        finally:
            os.close(ready)
        if first != READY:
            return False
        self._take_socket_folder()
        return True

    def _take_socket_folder(self) -> None:
        """Make the socket's folder inaccessible to the model before its code runs.

        Raises OSError when the path is not a socket of the model's user.
        """
        owner = self._uid or os.geteuid()
        status = self.socket.lstat()
        if not stat.S_ISSOCK(status.st_mode) or status.st_uid != owner:
            raise OSError(f"{self.socket} is no socket of user {owner}")
        if self._uid:
            os.chown(self._run_dir, os.geteuid(), os.getegid())

    async def _end_process(self) -> None:
        """End the process with all that it started; log what cannot be ended."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            kill = partial(os.killpg, process.pid, _KILL)
            for end in (partial(_terminate, process), kill):
                with contextlib.suppress(ProcessLookupError):
                    end()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(END_S):
                        await process.wait()
                    break
            else:
                log.error("model.not_ended", model=self.model_id, pid=process.pid)
        await self._end_group()

    def restart(self) -> None:
        """End the process, through no fault of its own; a new one is started."""
        self._kill()

    async def _end_group(self) -> None:
        """End processes that a killed keeper has left behind."""
        groups, self._groups = self._groups, []
        try:
            await asyncio.to_thread(cgroups.kill, groups)
            if self._uid:
                await asyncio.to_thread(users.kill_all, {self._uid})
        except OSError as error:
            log.warning("model.group_not_ended", model=self.model_id, error=str(error))
        cgroups.remove(groups)

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                _terminate(self._process)

    async def _change(self, state: State, error: str | None = None) -> None:
        self.state = state
        self.changed_at = _now()
        if error is not None:
            self.error = readable(error)
        log.info("model.state", model=self.model_id, state=state, error=self.error)
        try:
            await self._on_change(self)
        except Exception as failure:  # noqa: BLE001  the listener may raise anything
            log.warning(
                "model.change_not_announced",
                model=self.model_id,
                error=describe(failure),
            )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())


def _terminate(process: asyncio.subprocess.Process) -> None:
    """Tell a keeper to end its model and itself, also one that somebody has stopped.

    The methods of a process first look whether it has ended: that would take its exit
    code away from the event loop, which then reports one of its own.
    """
    os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGCONT)


def _is_stopped(pid: int) -> bool:
    """Whether a child has been stopped by a signal since the last look."""
    with contextlib.suppress(ChildProcessError):
        return bool(os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG))
    return False


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
