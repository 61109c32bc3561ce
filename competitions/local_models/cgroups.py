"""Bound all of a model's processes together with the kernel's control groups.

Uses version 2, or 1, wherever this process may make groups: as root on an ordinary
machine, as a user or in a container only where a group was delegated. Each controller
is used where it is available: in version 1 they are separate.
"""

import os
import signal
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

CONTROLLERS = ("cpu", "memory", "pids")
_PERIOD_US = 100_000
_NAME = "crunchsite-models-"
KILL_S = 2.0
_HUGE_PAGE = 2 * 2**20  # the most that the kernel charges at once


def find(controllers: Collection[str] = CONTROLLERS) -> dict[str, Path]:
    """Make groups to hold the models' groups, by controller.

    A controller that the kernel refuses is left out; in version 2, all have one group.
    """
    found: dict[str, Path] = {}
    for controller, base in _places():
        if controller not in controllers or controller in found:
            continue
        parent = base / f"{_NAME}{os.getpid()}"
        try:
            _sweep(base)
            _allow(base, controller)
            parent.mkdir(exist_ok=True)
            _allow(parent, controller)
            probe = make(
                {controller: parent}, "probe", cpus=1.0, memory_mb=1024, tasks=64
            )
            remove(probe)
        except OSError:
            if parent not in found.values():
                remove([parent])
            continue
        found[controller] = parent
    return found


def make(
    parents: Mapping[str, Path], name: str, *, cpus: float, memory_mb: int, tasks: int
) -> list[Path]:
    """Make groups whose processes together are bounded; see `find`.

    A process joins by writing its id to `cgroup.procs` of each. Raises OSError.
    """
    groups = {controller: parent / name for controller, parent in parents.items()}
    quota_us = round(cpus * _PERIOD_US)
    memory = str(memory_mb * 2**20)
    for controller, group in groups.items():
        group.mkdir(exist_ok=True)
        match controller:
            case "cpu" if (group / "cpu.max").exists():
                _write(group, {"cpu.max": f"{quota_us} {_PERIOD_US}"})
            case "cpu":
                _write(group, {"cpu.cfs_period_us": str(_PERIOD_US)})
                _write(group, {"cpu.cfs_quota_us": str(quota_us)})
            case "memory" if (group / "memory.max").exists():
                _write(group, {"memory.max": memory, "memory.oom.group": "1"})
                _write_if_there(group, {"memory.swap.max": "0"})
            case "memory":
                _write(group, {"memory.limit_in_bytes": memory})
                _write_if_there(group, {"memory.memsw.limit_in_bytes": memory})
            case "pids":
                _write(group, {"pids.max": str(tasks)})
    return list(dict.fromkeys(groups.values()))


def ran_out_of_memory(groups: Iterable[Path]) -> bool:
    """Whether the kernel has killed a process because its group's memory was used up.

    A kill because the whole machine, or a container, has no memory left is another's
    fault.
    """
    return any(_has_killed(group) and _has_filled(group) for group in groups)


def _has_killed(group: Path) -> bool:
    """Return whether a process of a group was killed, whoever used the memory up."""
    names = ("memory.events", "memory.oom_control")
    lines = (line for name in names for line in _lines(group / name))
    return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in lines)


def _has_filled(group: Path) -> bool:
    """Return whether the processes of a group have used all that it may have."""
    events = _lines(group / "memory.events")
    if any(line.startswith("oom ") and line != "oom 0" for line in events):
        return True
    return any(
        int(most) > int(limit) - _HUGE_PAGE
        for name in ("memory", "memory.memsw")  # version 1
        for most in _lines(group / f"{name}.max_usage_in_bytes")
        for limit in _lines(group / f"{name}.limit_in_bytes")
    )


def kill(groups: Iterable[Path]) -> None:
    """Kill all processes of the groups, also those that left their process group.

    Gives up after `KILL_S`. Raises OSError.
    """
    for group in groups:
        deadline = time.monotonic() + KILL_S
        # Each pass may find children born since the last.
        while pids := (group / "cgroup.procs").read_text().split():
            if time.monotonic() > deadline:
                break
            if (group / "cgroup.kill").exists():
                (group / "cgroup.kill").write_text("1")
            else:
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.005)


def remove(groups: Iterable[Path]) -> None:
    """Remove groups that have no processes; leave the others."""
    for group in groups:
        with suppress(OSError):
            group.rmdir()


def _places() -> Iterator[tuple[str, Path]]:
    """Yield controllers with a group in which ours may be made, the nearest first."""
    own = [line.split(":", 2) for line in _lines(Path("/proc/self/cgroup"))]
    for line in _lines(Path("/proc/self/mounts")):
        _, mount, kind, options, *_ = line.split()
        if kind == "cgroup2":
            path = next((path for _, names, path in own if not names), "/")
            group = Path(mount + path)
            # A group that has processes itself, like ours, cannot pass resources on to
            # children.
            for base in (group.parent if path != "/" else group, Path(mount)):
                for known in _lines(base / "cgroup.controllers"):
                    yield from ((controller, base) for controller in known.split())
        elif kind == "cgroup":
            for controller in {*CONTROLLERS} & {*options.split(",")}:
                found = (path for _, ns, path in own if controller in ns.split(","))
                yield controller, Path(mount + next(found, "/"))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _write(group: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        (group / name).write_text(text)


def _write_if_there(group: Path, texts: Mapping[str, str]) -> None:
    """Write only the files that exist: some kernels do not count swap."""
    _write(group, {n: text for n, text in texts.items() if (group / n).exists()})


def _allow(group: Path, controller: str) -> None:
    """Enable a controller for the children of a group of version 2."""
    control = group / "cgroup.subtree_control"
    if control.exists() and controller not in control.read_text().split():
        control.write_text(f"+{controller}")


def _sweep(base: Path) -> None:
    """Kill and remove the groups of orchestrators that were killed."""
    for group in base.glob(f"{_NAME}*"):
        if Path("/proc", group.name.removeprefix(_NAME)).exists():
            continue
        children = [child for child in group.iterdir() if child.is_dir()]
        kill(children)
        remove([*children, group])
