"""A share of the CPU that a model cannot exceed: the kernel's control groups.

Version 2 (`cpu.max`) or 1 (`cpu.cfs_quota_us`), wherever this process may make groups:
as root on a plain machine, as a user or in a container only where it was delegated.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

_PERIOD_US = 100_000
_NAME = "crunchsite-models-"


def find() -> Path | None:
    """Make a group to hold the models' groups; None where the kernel refuses."""
    for base in _places():
        parent = base / f"{_NAME}{os.getpid()}"
        try:
            _sweep(base)
            _allow_cpu(base)
            parent.mkdir()
            _allow_cpu(parent)
            remove(make(parent, "probe", cpus=1.0))
        except OSError:
            remove(parent)
            continue
        return parent
    return None


def make(parent: Path, name: str, *, cpus: float) -> Path:
    """A group whose processes together get `cpus` processors' time at most.

    A process joins by writing its id to `cgroup.procs`. Raises OSError.
    """
    group = parent / name
    group.mkdir(exist_ok=True)
    quota_us = round(cpus * _PERIOD_US)
    if (group / "cpu.max").exists():
        (group / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}")
    else:
        (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(quota_us))
    return group


async def kill(group: Path) -> None:
    """Kill what is left of a model, also what hid from its process group.

    Gives up after a second of looking. Raises OSError.
    """
    for _ in range(100):  # each look may find children born since the last
        pids = (group / "cgroup.procs").read_text().split()
        if not pids:
            return
        if (group / "cgroup.kill").exists():
            (group / "cgroup.kill").write_text("1")
        else:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        await asyncio.sleep(0.01)


def remove(group: Path) -> None:
    """Remove a group without processes; one that has some stays."""
    with contextlib.suppress(OSError):
        group.rmdir()


def _places() -> Iterator[Path]:
    """Groups below which ours could be made, the nearest first."""
    own = [line.split(":", 2) for line in _lines("/proc/self/cgroup")]
    for line in _lines("/proc/self/mounts"):
        _, mount, kind, options, *_ = line.split()
        if kind == "cgroup2":
            path = next((path for _, names, path in own if not names), "/")
            group = Path(mount + path)
            # A group with processes of its own, like ours, can share nothing out.
            yield group.parent if path != "/" else group
            yield Path(mount)
        elif kind == "cgroup" and "cpu" in options.split(","):
            found = (path for _, names, path in own if "cpu" in names.split(","))
            yield Path(mount + next(found, "/"))


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _allow_cpu(group: Path) -> None:
    """Let the children of a group of version 2 have CPU quotas."""
    control = group / "cgroup.subtree_control"
    if control.exists() and "cpu" not in control.read_text().split():
        control.write_text("+cpu")


def _sweep(base: Path) -> None:
    """Remove the empty groups of orchestrators that were killed."""
    for group in base.glob(f"{_NAME}*"):
        if Path("/proc", group.name.removeprefix(_NAME)).exists():
            continue
        for child in group.iterdir():
            if child.is_dir():
                remove(child)
        remove(group)
