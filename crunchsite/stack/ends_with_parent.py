"""Becomes a program that ends with the process that started it.

    python -I -S ends_with_parent.py PARENT SIGNAL UID GID PROGRAM ARGUMENT ...

The kernel sends SIGNAL when the thread that started it ends, however that came. Run by
its path and with the standard library alone: it costs 15 ms and then is no more.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
KEEP = -1


def tied(
    command: list[str], *, stop_signal: int, owner: tuple[int, int] | None = None
) -> list[str]:
    """Return the command that runs `command` until the calling process ends.

    `stop_signal` is what it then gets; `owner` is the uid and gid that it runs as,
    by default those of the calling process.
    """
    tie = map(str, (os.getpid(), int(stop_signal), *(owner or (KEEP, KEEP))))
    return [sys.executable, "-I", "-S", __file__, *tie, *command]


def main() -> None:
    parent, number, uid, gid = map(int, sys.argv[1:5])
    if uid != KEEP:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    # Not earlier: changing the user would clear it.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # the parent ended before the line above
    # Python ignores the signal, the program must not.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    command = sys.argv[5:]
    try:
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be run: {error.strerror}")


if __name__ == "__main__":
    main()
