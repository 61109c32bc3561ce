"""Call functions of the kernel that Python lacks, through ctypes. Linux only."""

import ctypes
import errno
import os
import signal
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 4096, 8192, 16384, 1 << 18
READ_ONLY, NO_SUID = 1, 2  # of `set_attributes`

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
# Mounts, host name, IPC, processes, network.
_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_CAPABILITY_VERSION_3 = 0x20080522
_KEYCTL_JOIN_SESSION_KEYRING = 1
_SYS_MOUNT_SETATTR = 442
_RENAME_EXCHANGE = 2
_SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}


def check(code: int, what: str) -> None:
    """Raise OSError, naming the call, if the preceding call returned less than zero."""
    if code < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def exchange(one: Path, other: Path) -> None:
    """Let two paths of a file system change places at once; raises OSError.

    Some file systems cannot do that, and say EINVAL.
    """
    paths = os.fsencode(one), os.fsencode(other)
    code = libc.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE)
    check(code, "exchange")


def die_with_parent(number: signal.Signals) -> None:
    """Ask the kernel for a signal to this process when its parent ends.

    A change of user id clears it.
    """
    check(libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0), "parent's death")


def hide() -> None:
    """Keep processes of the same user from reading this one's memory and files."""
    check(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "dumpable")


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends."""
    check(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "child subreaper")


def unshare() -> None:
    """Enter new namespaces; children of this process live in the new process space."""
    flags = _NAMESPACES
    uid, gid = os.geteuid(), os.getegid()
    if uid != 0:
        flags |= _CLONE_NEWUSER
    check(libc.unshare(flags), "unshare")
    if uid != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def mount(
    source: str, target: str | Path, kind: str | None, flags: int, data: str = ""
) -> None:
    """Mount as mount(2) does; raises OSError."""
    encoded = [os.fsencode(source), os.fsencode(target), kind and kind.encode()]
    code = libc.mount(*encoded, ctypes.c_ulong(flags), data.encode() or None)
    check(code, f"mount {target}")


def bind(handle: int, target: Path) -> None:
    """Mount an open file or folder at `target`, unless it is visible there."""
    source = f"/proc/self/fd/{handle}"
    if Path(source).is_dir():
        if target.is_dir() and any(target.iterdir()):
            return
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(source, target, None, MS_BIND | MS_REC)


def unmount(target: Path) -> None:
    """Detach a mount, also from processes that have its files open."""
    check(libc.umount2(os.fsencode(target), _MNT_DETACH), f"unmount {target}")


def set_attributes(
    path: Path, attributes: int, *, clear: int = 0, recursive: bool = False
) -> None:
    """Set and clear attributes of a mount, or of all below it."""
    argument = (ctypes.c_uint64 * 4)(attributes, clear, 0, 0)
    check(
        libc.syscall(
            _SYS_MOUNT_SETATTR,
            _AT_FDCWD,
            os.fsencode(path),
            _AT_RECURSIVE if recursive else 0,
            ctypes.byref(argument),
            ctypes.c_size_t(ctypes.sizeof(argument)),
        ),
        "mount_setattr",
    )


def leave_keyring() -> None:
    """Enter a new, empty session keyring: the inherited one belongs to the operator.

    A container that refuses the call hides keyrings from models too.
    """
    number = _SYS_KEYCTL.get(os.uname().machine, -1)
    try:
        check(libc.syscall(number, _KEYCTL_JOIN_SESSION_KEYRING, None), "keyctl")
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOSYS):
            raise


def drop_privileges(uid: int) -> None:
    """Become a user, unless it is 0, without capabilities or a way to gain any."""
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    check(libc.capset(ctypes.byref(header), ctypes.byref(nothing)), "capset")
    check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
