"""Try to leave the sandbox and to attack the kernel; answer with the errors."""

import ctypes
import os
import socket

from tracker import TrackerBase

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_USERS, NEW_NETWORK = 0x10000000, 0x40000000
# Numbers of x86_64 and aarch64.
COLUMN = 0 if os.uname().machine == "x86_64" else 1
CALLS = {
    "unshare users": ((272, 97), NEW_USERS),
    "clone users": ((56, 220), NEW_USERS | 17),
    "clone network": ((56, 220), NEW_NETWORK | 17),
    "clone3": ((435, 435), 0),
    "mount": ((165, 40), 0),
    "ptrace": ((101, 117), 0),
    "read another's memory": ((310, 270), 1),
    "keyring": ((250, 219), 0),
    "io_uring": ((425, 425), 8),
    "bpf": ((321, 280), 0),
    "perf": ((298, 241), 0),
    "userfaultfd": ((323, 282), 0),
    "memfd": ((319, 279), 0),
    "shared memory": ((29, 194), 0),
    "another processor": ((203, 122), 0),
    "inotify": ((294, 26), 0),
}
if COLUMN == 0:
    CALLS["x32"] = ((0x40000000 + 39, 0), 0)
FAMILIES = {"netlink": 16, "vsock": 40, "algorithms": 38, "packets": 17}


def refusal(work):
    try:
        work()
    except OSError as error:
        return error.errno
    return 0


def call(number, argument):
    if LIBC.syscall(number, argument, 0, 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "refused")


class Escaper(TrackerBase):
    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        found = {
            name: refusal(lambda: call(numbers[COLUMN], argument))
            for name, (numbers, argument) in CALLS.items()
        }
        for name, family in FAMILIES.items():
            kind = socket.SOCK_STREAM if name == "vsock" else socket.SOCK_RAW
            kind = socket.SOCK_SEQPACKET if name == "algorithms" else kind
            found[name] = refusal(lambda: socket.socket(family, kind).close())
        return {"value": 0.0, **found}
