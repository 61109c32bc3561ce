"""Child processes: started in their own session, ended with all their children."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from crunchsite.stack.ends_with_parent import tied
from crunchsite.stack.log_files import PartLog

MARK = "CRUNCHSITE_PART"


def never() -> bool:
    return False


def mark(var: Path, name: str) -> dict[str, str]:
    """Return the variable by which the next start finds a part and all its children."""
    return {MARK: f"{os.getpid()}:{name}:{var.resolve()}"}


class Child:
    """One process of the site in `var`, and its log, `var/log/NAME.log`.

    `stop_signal` asks it to end, `kill_signal` makes it. It gets `stop_signal` also
    when this process ends in any way, so it is started from the main thread alone:
    the kernel watches the thread.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        var: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        owner: tuple[int, int] | None = None,
        stop_signal: int = signal.SIGTERM,
        kill_signal: int = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = PartLog(var / "log" / f"{name}.log")
        inherited = os.environ  # noqa: TID251  children inherit the environment
        self._env = {**(inherited if env is None else env), **mark(var, name)}
        self._cwd = cwd
        self._owner = owner
        self._stop_signal = stop_signal
        self._kill_signal = kill_signal
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or restart it if it has ended."""
        self._process = subprocess.Popen(
            tied(self.command, stop_signal=self._stop_signal, owner=self._owner),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=self._env,
            cwd=self._cwd,
            # Ctrl-C reaches only the supervisor, which stops the rest in order.
            start_new_session=True,
        )
        assert self._process.stdout is not None  # a pipe, see above
        self.log.follow(self._process.stdout)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self._process is None:
            return None
        if self._process.returncode is None:
            if not self._has_ended():
                return None  # not collected either, should it end just now
            # Kill its group first: once it is collected, another may get its id.
            self._signal_group(signal.SIGKILL)
        return self._process.poll()

    def is_running(self) -> bool:
        return self._process is not None and self.exit_code() is None

    def stop(
        self, *, timeout_s: float = 15, is_forced: Callable[[], bool] = never
    ) -> None:
        """Ask it to stop; after `timeout_s`, or once forced, kill its whole group."""
        if self._process is None or not self.is_running():
            return

        def ended() -> bool:
            return not self.is_running()

        self._signal(self._stop_signal)
        wait_until(lambda: ended() or is_forced(), timeout_s=timeout_s)
        if not ended():
            self._signal_group(self._kill_signal)
        if not wait_until(ended, timeout_s=5):
            self._signal_group(signal.SIGKILL)
            self._process.wait()

    def _has_ended(self) -> bool:
        assert self._process is not None
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self._process.pid, how) is not None
        except ChildProcessError:  # another thread has collected it
            return True

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _signal_group(self, number: int) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def wait_until(
    ready: Callable[[], bool], *, timeout_s: float, every_s: float = 0.05
) -> bool:
    """Poll `ready` until it is true; False when the time is over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if ready():
            return True
        time.sleep(every_s)
    return ready()
