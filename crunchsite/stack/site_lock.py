"""Allow one `manage.py up` per data folder, and end what an earlier one left."""

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from django.conf import settings

from crunchsite.stack import leftovers
from crunchsite.stack.errors import StackError
from crunchsite.stack.processes import wait_until


class SiteLock:
    """The right to run the site of one data folder; a killed process loses it."""

    def __init__(self, var: Path) -> None:
        self._var = var
        self._lock: IO[str] | None = None

    @property
    def is_held(self) -> bool:
        return self._lock is not None

    def take(self, url: str) -> None:
        """Take the lock and record who runs where; raises StackError if it is taken."""
        self._var.mkdir(parents=True, exist_ok=True)
        lock = (self._var / "up.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with lock:
                lock.seek(0)
                running = json.loads(lock.read() or "{}")
            raise _is_running(f"{running.get('pid')}, {running.get('url')}") from None
        self._lock = lock
        self._lock.truncate(0)
        self._lock.write(json.dumps({"pid": os.getpid(), "url": url}))
        self._lock.flush()

    def end_leftovers(self) -> list[str]:
        """End the processes of a supervisor that was killed; returns their names.

        Raises StackError if their supervisor still lives.
        """

        def supervised() -> list[leftovers.Leftover]:
            return [part for part in leftovers.find(self._var) if part.is_supervised]

        # A killed supervisor frees the lock before its parts have ended.
        if not wait_until(lambda: not supervised(), timeout_s=2):
            raise _is_running(str(supervised()[0].supervisor))  # `up.lock` was deleted
        return sorted({part.name for part in leftovers.end(self._var)})

    def remove_new_folder(self) -> None:
        """Remove the folder if a refused start has created it."""
        if settings.IS_VAR_DIR_NEW:
            with suppress(OSError):
                for name in ("up.lock", "secret_key"):
                    (self._var / name).unlink(missing_ok=True)
                self._var.rmdir()

    def release(self) -> None:
        """Empty and free the lock; does nothing when it is not held."""
        if self._lock is None:
            return
        with suppress(OSError):
            self._lock.truncate(0)
        with suppress(OSError):
            self._lock.close()
        self._lock = None


def is_running(var: Path) -> bool:
    """Return whether somebody holds the lock of a data folder; takes nothing."""
    try:
        with (var / "up.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _is_running(where: str) -> StackError:
    return StackError(
        f"crunchsite is already running here (process {where}); "
        "stop it with Ctrl-C where it runs, or with kill and its number."
    )
