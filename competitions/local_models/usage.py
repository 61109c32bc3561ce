"""Measure what a model's processes use, if no control group counts it."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from competitions.local_models.sandbox import Bounds

_PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """Memory and threads of a process's descendants."""

    memory_mb: float
    tasks: int

    def beyond(self, bounds: Bounds) -> str:
        """Describe the use that exceeds the bounds; empty if none does."""
        if self.memory_mb > bounds.memory_mb:
            return (
                f"its processes took {self.memory_mb:.0f} MB of memory together; "
                f"at most {bounds.memory_mb} are allowed"
            )
        if self.tasks > bounds.tasks:
            return (
                f"it had {self.tasks} processes and threads; "
                f"at most {bounds.tasks} are allowed"
            )
        return ""


def usage_of(pid: int) -> Usage:
    """Measure the use of a process's descendants; count 0 for those that end."""
    found = descendants(pid)
    return Usage(
        memory_mb=sum(map(_memory_kb, found)) / 1024,
        tasks=sum(len(_entries(_PROC / str(one) / "task")) for one in found),
    )


def descendants(pid: int) -> set[int]:
    """Return the ids of all processes below one."""
    found: set[int] = set()
    front = {pid}
    while front := {child for parent in front for child in _children(parent)} - found:
        found |= front
    return found


def _children(pid: int) -> Iterator[int]:
    for task in _entries(_PROC / str(pid) / "task"):
        with suppress(OSError):
            yield from map(int, (task / "children").read_text().split())


def _entries(folder: Path) -> list[Path]:
    with suppress(OSError):
        return list(folder.iterdir())
    return []


def _memory_kb(pid: int) -> int:
    """Return a process's proportional share of memory (PSS), in kB.

    A process that hides its share is counted with all of its memory.
    """
    with suppress(OSError):
        return _field(_PROC / str(pid) / "smaps_rollup", "Pss:")
    with suppress(OSError):
        return _field(_PROC / str(pid) / "status", "VmRSS:")
    return 0


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0
