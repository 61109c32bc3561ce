"""Start a model's process: command line, environment, first sign that it listens."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from competitions.local_models.keeper import READY
from competitions.local_models.sandbox import Bounds

PROJECT = Path(__file__).resolve().parent.parent.parent
PACKAGE = Path(__file__).resolve().parent / "participant"


@dataclass(frozen=True)
class Limits:
    """How much one model may use; see sandbox.py.

    `cpus` is a number of processors. `parents` are the control groups below which a
    model's own are made, by controller; see `cgroups.find`.
    """

    level: int = 2
    memory_mb: int = 2048
    tasks: int = 256
    cpus: float = 1.0
    parents: Mapping[str, Path] = field(default_factory=dict)
    hang_s: float = 30.0
    setup_hang_s: float = 120.0

    @property
    def bounds(self) -> Bounds:
        """Return how much all processes of a model may use together."""
        is_watched = not {"memory", "pids"} <= self.parents.keys()
        return Bounds(self.memory_mb, self.tasks, is_watched=is_watched)


async def launch(
    *,
    model: Path,
    socket: Path,
    uid: int,
    limits: Limits,
    groups: Sequence[Path],
    ready: int,
) -> asyncio.subprocess.Process:
    """Start the process that will serve the model in a folder at a socket.

    It writes READY to the pipe `ready` as soon as it listens; see `read_first`.
    `groups` are control groups that it joins; raises OSError.
    """
    bounds = limits.bounds
    options = [f"--group={group}" for group in groups]
    options += ["--watched"] if bounds.is_watched else []
    options += ["--holds-cpu"] if "cpu" in limits.parents else []
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-B", "-u", "-m", "competitions.local_models.runner"),
        *("--socket", str(socket), "--model", str(model)),
        *("--package", str(PACKAGE), "--parent", str(os.getpid())),
        *("--level", str(limits.level), "--uid", str(uid)),
        *("--memory-mb", str(bounds.memory_mb), "--tasks", str(bounds.tasks)),
        *("--hang-s", str(limits.hang_s)),
        *("--setup-hang-s", str(limits.setup_hang_s)),
        *("--ready", str(ready), *options),
        cwd=PROJECT,
        env=clean_environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=(ready,),
        start_new_session=True,
    )


def clean_environment() -> dict[str, str]:
    """Return a model's whole environment: no setting, no secret, one CPU thread."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": "/tmp",
        "PYTHONPATH": str(PROJECT),
        # Each arena reserves 64 MB, of which a thread of gRPC's uses nearly nothing.
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "GRPC_ENABLE_FORK_SUPPORT": "0",
    }


async def read_first(pipe: int) -> bytes:
    """Wait for the first bytes of a pipe; empty when all its writers have ended."""
    loop = asyncio.get_running_loop()
    is_readable = asyncio.Event()
    loop.add_reader(pipe, is_readable.set)
    try:
        await is_readable.wait()
    finally:
        loop.remove_reader(pipe)
    return os.read(pipe, len(READY))
