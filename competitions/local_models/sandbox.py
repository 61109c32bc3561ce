"""Isolate a model's process before the model's code is imported.

Level 1: a separate process with limits, a clean environment, a filter of system calls,
no way to gain privileges, and, when root starts it, a user of its own. It can use the
network and read whatever that user may read.

Level 2: like level 1, and no network, no other processes, and a file system that
contains only Python, the model's folder (read-only) and an empty /tmp.

`describe` says which mechanism limits memory, processes and CPU: control groups where
they may be made (cgroups.py), else limits of each process, a check of all of them twice
a second (keeper.py), and the filter.
"""

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from competitions.local_models import kernel, seccomp
from competitions.local_models.trees import scratch_folder

# Libraries that Python's own modules link to, and the time zones.
_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"),
    *("/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache"),
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
SCRATCH_MB, SCRATCH_FILES = 64, 4_096
OPEN_FILES, LARGEST_FILE_MB = 256, 50
# Where a model finds its own folder; the machine's name of it is nobody's business.
MODEL = Path("/model")
TRIAL_S = 120.0  # it takes a moment, but on a machine that is very busy

MEANING = {
    1: "own process, limits, clean environment, filter of system calls; network and "
    "readable files are open",
    2: "own process, limits, clean environment, filter of system calls; no network, "
    "only its own files",
}


@dataclass(frozen=True)
class Bounds:
    """What all processes of a model may use together.

    `is_watched` says that the keeper checks the use, because no control group does.
    """

    memory_mb: int
    tasks: int
    is_watched: bool = False


def describe(
    *, level: int, bounds: Bounds, cpus: float, controllers: Collection[str]
) -> str:
    """Describe a level's limits and the mechanisms, for operators and participants."""
    group = "held by a control group"
    watch = "looked after twice a second"
    memory = f"memory: {bounds.memory_mb} MB"
    tasks = f"processes and threads: {bounds.tasks}"
    return "; ".join(
        [
            f"level {level}: {MEANING[level]}",
            f"{memory}, {group}"
            if "memory" in controllers
            else f"{memory} each by limit and together {watch}",
            f"{tasks}, {group}"
            if "pids" in controllers
            else f"{tasks}, {'held by limit' if _limits_tasks(level) else watch}",
            f"disk: {SCRATCH_MB} MB of /tmp that go with it"
            if level == 2
            else f"disk: {LARGEST_FILE_MB} MB each file, nothing bounds all of them",
            f"CPU: at most {cpus:g} of a CPU, {group}"
            if "cpu" in controllers
            else "CPU: low priority, on one CPU, held by the filter",
        ]
    )


def _limits_tasks(level: int) -> bool:
    """Return whether RLIMIT_NPROC limits one model: it counts per user or namespace."""
    return level == 2 or os.geteuid() == 0


def trouble_with_level_2() -> str:
    """Try level 2; return why this machine does not allow it, empty if it does."""
    with scratch_folder("crunchsite-sandbox-") as scratch:
        command = [sys.executable, "-m", "competitions.local_models.try_level_2"]
        try:
            found = subprocess.run(
                [*command, str(scratch)],
                cwd=Path(__file__).resolve().parent.parent.parent,
                capture_output=True,
                text=True,
                timeout=TRIAL_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"a trial did not end within {TRIAL_S:g} s"
    if found.returncode == 0:
        return ""
    said = found.stderr.strip().splitlines()
    return said[-1] if said else f"a trial ended with {found.returncode}"


class Sandbox:
    """One model's sandbox: `build` it, then, in a child, `close` it.

    `model` is the folder of its code. `writable` is where its socket is made;
    `take_back` makes that inaccessible. `seen` returns how a path is named inside.
    """

    def __init__(
        self,
        *,
        level: int,
        uid: int,
        bounds: Bounds,
        readable: Iterable[Path],
        model: Path | None = None,
        writable: Path,
        groups: Iterable[Path] = (),
        holds_cpu: bool = False,
    ) -> None:
        self.level = level
        self.uid = uid
        self.bounds = bounds
        self._readable = [Path(p) for p in sys.path if p and Path(p).exists()]
        self._readable += [*readable]
        self._model = model
        self._writable = writable
        # Open: their paths cannot be reached from inside.
        self._joins = [os.open(g / "cgroup.procs", os.O_WRONLY) for g in groups]
        self._holds_cpu = holds_cpu
        self._inside: dict[Path, Path] = {}

    def build(self) -> None:
        """Prepare the model's file system; at level 2, in a namespace of its own."""
        if self.level == 2:
            self._build_root()
        else:
            self._keep_handles()

    def close(self) -> None:
        """Give up every right of this process that a model must not have."""
        for handle in self._joins:
            os.write(handle, b"0")  # whoever writes may open such files
            os.close(handle)
        self._limit()
        kernel.drop_privileges(self.uid)
        kernel.die_with_parent(signal.SIGKILL)  # changing the user cleared it
        kernel.leave_keyring()
        seccomp.install()
        sys.path[:] = [str(self.seen(Path(p))) for p in sys.path if p]
        for module in list(sys.modules.values()):
            if isinstance(places := getattr(module, "__path__", None), list):
                places[:] = [str(self.seen(Path(place))) for place in places]

    def take_back(self) -> None:
        """Unmount the socket's folder, so that the model's code cannot reach it.

        At level 1, who made the folder takes it back.
        """
        if self.level == 2:
            kernel.unmount(self._writable)

    def seen(self, path: Path) -> Path:
        """Return the path by which the model can reach `path`."""
        for outer, inner in self._inside.items():
            if path.is_relative_to(outer):
                return inner / path.relative_to(outer)
        return path

    def _keep_handles(self) -> None:
        """Open the folders now; the model's user may not be allowed to, later."""
        if not self.uid:
            return
        models = {self._model} if self._model else set()
        for path in {*self._readable, *models, self._writable}:
            if path.is_dir():
                handle = os.open(path, os.O_PATH | os.O_DIRECTORY)
                self._inside[path] = Path(f"/proc/self/fd/{handle}")

    def _build_root(self) -> None:
        """Make a file system of the few things a model needs.

        They are at their own paths, but for the model's folder, at MODEL.
        """
        kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        sources = [*map(Path, _SYSTEM), *map(Path, _DEVICES), *self._readable]
        handles = {p: os.open(p, os.O_PATH) for p in sources if p.exists()}
        if self._model:
            self._inside[self._model] = MODEL
            handles[MODEL] = os.open(self._model, os.O_PATH)
        writable = os.open(self._writable, os.O_PATH)
        root = Path(tempfile.gettempdir()).resolve()
        kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID, "size=1m,mode=755")
        (root / "tmp").mkdir()
        size = f"size={SCRATCH_MB}m,nr_inodes={SCRATCH_FILES},mode=1777"
        kernel.mount("tmpfs", root / "tmp", "tmpfs", kernel.MS_NOSUID, size)
        for path, handle in sorted(handles.items()):
            kernel.bind(handle, root / path.relative_to("/"))
        home = root / self._writable.relative_to("/")
        for folder in (home, root / "proc"):
            folder.mkdir(parents=True, exist_ok=True)
        kernel.set_attributes(root, kernel.READ_ONLY | kernel.NO_SUID, recursive=True)
        kernel.set_attributes(root / "tmp", 0, clear=kernel.READ_ONLY)
        kernel.bind(writable, home)
        with contextlib.suppress(OSError):  # refused where the outer /proc is masked
            flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
            kernel.mount("proc", root / "proc", "proc", flags, "hidepid=2")
        for handle in (*handles.values(), writable):
            os.close(handle)
        os.chdir(root)
        kernel.mount(".", "/", None, kernel.MS_MOVE)
        os.chroot(".")
        os.chdir("/")

    def _limit(self) -> None:
        limits = {
            resource.RLIMIT_AS: self.bounds.memory_mb * 2**20,
            resource.RLIMIT_NOFILE: OPEN_FILES,
            resource.RLIMIT_FSIZE: LARGEST_FILE_MB * 2**20,
            resource.RLIMIT_CORE: 0,
        }
        if self.uid or self.level == 2:
            limits[resource.RLIMIT_NPROC] = self.bounds.tasks
        for kind, value in limits.items():
            resource.setrlimit(kind, (value, value))
        os.nice(10)
        if not self._holds_cpu:
            os.sched_setaffinity(0, {random.choice([*os.sched_getaffinity(0)])})
