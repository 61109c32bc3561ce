"""What keeps a model to itself. Phase one: limits; see `enter`."""

import argparse
import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--memory-mb", type=int, required=True)


def enter(args: argparse.Namespace) -> None:
    """Close the sandbox around this process, before participants' code is imported."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != args.parent:
        os._exit(1)  # the supervisor died before the line above
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    limit(resource.RLIMIT_AS, args.memory_mb * 2**20)
    limit(resource.RLIMIT_NOFILE, 256)
    limit(resource.RLIMIT_FSIZE, 50 * 2**20)
    limit(resource.RLIMIT_CORE, 0)
    os.nice(5)


def limit(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, value))


def leave() -> None:
    """End at once: threads of the model must not hold the process back."""
    os._exit(0)
