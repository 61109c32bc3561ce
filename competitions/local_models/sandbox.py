"""What keeps a model to itself: closed around a process before its code is imported.

Level 1: a process of its own with limits on memory, files and file size, a share of the
CPU, a clean environment, no way to gain privileges, and, when root starts it, a user id
of its own. It sees the network and whatever that user may read.
Level 2: as 1, and no network at all, no other process, and a file system that holds
nothing but Python, the model's folder (read-only) and an empty /tmp.

The CPU is bounded by a control group where one may be made (cgroups.py). Elsewhere each
process has a low priority on one processor, which it could leave if it wanted to.

Both are for models that one knows; strangers belong behind the real orchestrator.
Linux only; the kernel is called through ctypes (os.unshare needs Python 3.12).
"""

import argparse
import contextlib
import ctypes
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from competitions.local_models.trees import scratch_folder

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
# Mounts, host name, IPC, processes, network.
_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_MS_BIND, _MS_MOVE, _MS_REC, _MS_PRIVATE = 4096, 8192, 16384, 1 << 18
_SYS_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ_ONLY, _NO_SUID = 1, 2  # of mount_setattr
_CAPABILITY_VERSION_3 = 0x20080522

# Libraries that Python's own modules link to, and the time zones.
_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"),
    *("/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache"),
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")

MEANING = {
    1: "own process, limits, clean environment; network and readable files are open",
    2: "own process, limits, clean environment; no network, only its own files",
}
CPU_MEANING = {
    True: "at most {cpus:g} of a CPU, held by the kernel",
    False: "low priority, on one CPU each; nothing stops a model that moves itself",
}

_libc = ctypes.CDLL(None, use_errno=True)


def describe(*, level: int, is_cpu_bounded: bool, cpus: float) -> str:
    """What holds at a level, in words for operators and participants."""
    cpu = CPU_MEANING[is_cpu_bounded].format(cpus=cpus)
    return f"level {level}: {MEANING[level]}; CPU: {cpu}"


def strongest_level() -> int:
    """The level that this machine allows, by trying it in a child."""
    with scratch_folder("crunchsite-sandbox-") as scratch:
        command = [sys.executable, "-m", "competitions.local_models.sandbox"]
        found = subprocess.run(
            [*command, str(scratch)],
            cwd=_project(),
            capture_output=True,
            timeout=30,
            check=False,
        )
    return 2 if found.returncode == 0 else 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--level", type=int, choices=(1, 2), required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--uid", type=int, default=0, help="0 keeps the user")
    parser.add_argument("--memory-mb", type=int, required=True)
    parser.add_argument("--cgroup", type=Path, help="control group to join")


class Sandbox:
    """One process's sandbox; `close` it, then use `seen` for paths inside."""

    def __init__(
        self,
        *,
        level: int,
        parent: int,
        uid: int,
        memory_mb: int,
        readable: Iterable[Path],
        writable: Path,
        cgroup: Path | None = None,
    ) -> None:
        self.level = level
        self._parent = parent
        self._uid = uid
        self._memory_mb = memory_mb
        self._readable = [Path(p) for p in sys.path if p and Path(p).exists()]
        self._readable += [*readable]
        self._writable = writable
        self._cgroup = cgroup
        self._handles: dict[Path, Path] = {}

    def close(self) -> None:
        """Close the sandbox. At level 2 a child goes on and this process waits."""
        _die_with(self._parent)
        if self._cgroup is not None:
            (self._cgroup / "cgroup.procs").write_text(str(os.getpid()))
        if self.level == 2:
            _unshare()
            _go_on_in_child()
            self._build_root()
        else:
            self._keep_handles()
        self._limit()
        if self._uid:
            os.setgroups([])
            os.setresgid(self._uid, self._uid, self._uid)
            os.setresuid(self._uid, self._uid, self._uid)
        _drop_capabilities()
        _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        # Changing the user cleared it.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        sys.path[:] = [str(self.seen(Path(p))) for p in sys.path if p]
        for module in list(sys.modules.values()):
            if isinstance(places := getattr(module, "__path__", None), list):
                places[:] = [str(self.seen(Path(place))) for place in places]

    def seen(self, path: Path) -> Path:
        """How `path` is reached from inside."""
        for outer, handle in self._handles.items():
            if path.is_relative_to(outer):
                return handle / path.relative_to(outer)
        return path

    def _keep_handles(self) -> None:
        """Another user may be barred from these folders, but not from open ones."""
        if not self._uid:
            return
        for path in {*self._readable, self._writable}:
            if path.is_dir():
                handle = os.open(path, os.O_PATH | os.O_DIRECTORY)
                self._handles[path] = Path(f"/proc/self/fd/{handle}")

    def _build_root(self) -> None:
        """Make a file system of the few things a model needs, at their own paths."""
        _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
        sources = [*map(Path, _SYSTEM), *map(Path, _DEVICES), *self._readable]
        handles = {p: os.open(p, os.O_PATH) for p in sources if p.exists()}
        writable = os.open(self._writable, os.O_PATH)
        root = Path(tempfile.gettempdir()).resolve()
        _mount("tmpfs", root, "tmpfs", _MS_NOSUID, "size=1m,mode=755")
        (root / "tmp").mkdir()
        _mount("tmpfs", root / "tmp", "tmpfs", _MS_NOSUID, "size=64m,mode=1777")
        for path, handle in sorted(handles.items()):
            _bind(handle, root / path.relative_to("/"))
        home = root / self._writable.relative_to("/")
        for folder in (home, root / "proc"):
            folder.mkdir(parents=True, exist_ok=True)
        _set_attributes(root, _READ_ONLY | _NO_SUID, recursive=True)
        _set_attributes(root / "tmp", 0, clear=_READ_ONLY)
        _bind(writable, home)
        with contextlib.suppress(OSError):  # refused where the outer /proc is masked
            _mount("proc", root / "proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
        for handle in (*handles.values(), writable):
            os.close(handle)
        os.chdir(root)
        _mount(".", "/", None, _MS_MOVE)
        os.chroot(".")
        os.chdir("/")

    def _limit(self) -> None:
        limits = {
            resource.RLIMIT_AS: self._memory_mb * 2**20,
            resource.RLIMIT_NOFILE: 256,
            resource.RLIMIT_FSIZE: 50 * 2**20,
            resource.RLIMIT_CORE: 0,
        }
        if self._uid:
            limits[resource.RLIMIT_NPROC] = 256  # counts this user's threads
        for kind, value in limits.items():
            resource.setrlimit(kind, (value, value))
        os.nice(10)
        if self._cgroup is None:
            os.sched_setaffinity(0, {random.choice([*os.sched_getaffinity(0)])})


def _die_with(parent: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # it died before the line above


def _unshare() -> None:
    flags = _NAMESPACES
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0:
        flags |= _CLONE_NEWUSER
    _check(_libc.unshare(flags), "unshare")
    if uid != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def _go_on_in_child() -> None:
    """Fork into the new process namespace; the parent ends as the child does."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        return
    # A terminated parent takes the child along: see `_die_with`.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        os.kill(parent, os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def _bind(handle: int, target: Path) -> None:
    """Show an open file or folder at `target`, unless an outer folder shows it."""
    source = f"/proc/self/fd/{handle}"
    if Path(source).is_dir():
        if target.is_dir() and any(target.iterdir()):
            return
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(source, target, None, _MS_BIND | _MS_REC)


def _set_attributes(
    path: Path, attributes: int, *, clear: int = 0, recursive: bool = False
) -> None:
    argument = (ctypes.c_uint64 * 4)(attributes, clear, 0, 0)
    _check(
        _libc.syscall(
            _SYS_MOUNT_SETATTR,
            _AT_FDCWD,
            os.fsencode(path),
            _AT_RECURSIVE if recursive else 0,
            ctypes.byref(argument),
            ctypes.c_size_t(ctypes.sizeof(argument)),
        ),
        "mount_setattr",
    )


def _drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(nothing)), "capset")


def _mount(
    source: str, target: str | Path, kind: str | None, flags: int, data: str = ""
) -> None:
    encoded = [os.fsencode(source), os.fsencode(target), kind and kind.encode()]
    code = _libc.mount(*encoded, ctypes.c_ulong(flags), data.encode() or None)
    _check(code, f"mount {target}")


def _check(code: int, what: str) -> None:
    if code < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _project() -> Path:
    return Path(__file__).resolve().parent.parent.parent


if __name__ == "__main__":
    # Nothing to clean up is made here: this process ends in the middle of `close`.
    Sandbox(
        level=2,
        parent=os.getppid(),
        uid=0,
        memory_mb=1024,
        readable=(),
        writable=Path(sys.argv[1]),
    ).close()
    os._exit(0)
