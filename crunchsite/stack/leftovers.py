"""Find processes that a supervisor left behind, by a mark in their environment.

A mark needs no file, so it works on a full disk. Children inherit it, so it also finds
processes that left the group. Unlike a stored id, it can match no other process.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crunchsite.stack.processes import MARK, wait_until


@dataclass(frozen=True)
class Leftover:
    """A living process of the site in a folder, and who started its part."""

    pid: int
    name: str
    supervisor: int
    parent: int

    @property
    def is_supervised(self) -> bool:
        """Return whether the supervisor that started it still lives."""
        return self.parent == self.supervisor


def find(var: Path) -> list[Leftover]:
    """Return processes of the site in `var`, by id, except this one."""
    return list(_find(var.resolve()))


def _find(var: Path) -> Iterator[Leftover]:
    for folder in Path("/proc").glob("[0-9]*"):
        # One that has ended, is a zombie, or is another user's cannot be read.
        with suppress(OSError, ValueError):
            environment = (folder / "environ").read_bytes().split(b"\0")
            found = [v for v in environment if v.startswith(f"{MARK}=".encode())]
            if not found or int(folder.name) == os.getpid():
                continue
            supervisor, name, place = (
                os.fsdecode(found[0]).partition("=")[2].split(":", 2)
            )
            if place == str(var):
                # "PID (NAME) STATE PARENT ...", and a name may hold anything.
                status = (folder / "stat").read_text().rpartition(")")[2].split()
                yield Leftover(
                    pid=int(folder.name),
                    name=name,
                    supervisor=int(supervisor),
                    parent=int(status[1]),
                )


def end(
    var: Path,
    *,
    patience_s: float = 10,
    is_meant: Callable[[Leftover], bool] = lambda _: True,
) -> list[Leftover]:
    """End what is left in `var`, harder after each `patience_s`; return what was."""

    def left() -> list[Leftover]:
        return [process for process in find(var) if is_meant(process)]

    found = left()
    # PostgreSQL takes SIGQUIT for "at once, and recover"; a process that ignores it is
    # killed.
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL):
        remaining = left()
        for process in remaining:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, number)
        if not remaining or wait_until(lambda: not left(), timeout_s=patience_s):
            break
    return found
