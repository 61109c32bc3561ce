"""Filter system calls that no model needs, or that bypass limits.

A small table of refused calls, not of allowed ones, because models bring libraries of
any kind. Calls that need a capability are not in it, because models have none. Mounts
and namespaces are in it nevertheless, as a second barrier.
"""

import ctypes
import errno
import os
import struct

from competitions.local_models import kernel

# Call -> its number on x86_64 and on aarch64; None where it does not exist.
_REFUSED: dict[str, tuple[int, int | None]] = {
    # Namespaces and mounts.
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # Other processes.
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # Keys.
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    # Calls with a large attack surface.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    # Memory that no limit of the process counts.
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # Objects whose number is limited only per user.
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    # The processor on which it runs.
    "sched_setaffinity": (203, 122),
}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_MACHINES = ("x86_64", "aarch64")
_CLONE, _CLONE3, _SOCKET = (56, 220), (435, 435), (41, 198)
_X32 = 0x40000000  # x86_64's calls under other numbers
# Of clone: mounts, control groups, host name, IPC, users, processes, network.
_NEW_NAMESPACE = 0x7E020000
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6: no AF_NETLINK, AF_VSOCK, AF_ALG

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENT_AT = 0, 4, 16
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2


def install() -> None:
    """Filter the calls of this process and of all that it starts, for ever.

    Needs `no_new_privs`. Raises OSError if the kernel or the kind of processor has no
    filter.
    """
    program = _program(os.uname().machine)
    buffer = ctypes.create_string_buffer(program, len(program))
    length = len(program) // 8
    head = struct.pack("@HP", length, ctypes.addressof(buffer))
    code = kernel.libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, head, 0, 0)
    kernel.check(code, "seccomp filter")


def _program(machine: str) -> bytes:
    """Return the filter for a kind of processor, as BPF instructions."""
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"there is no seccomp filter for {machine}")
    column = _MACHINES.index(machine)
    lines = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        _refuse(errno.EPERM),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine == "x86_64":
        lines += [(_AT_LEAST, 0, 1, _X32), _refuse(errno.EPERM)]
    for numbers in _REFUSED.values():
        if (number := numbers[column]) is not None:
            lines += [(_EQUAL, 0, 1, number), _refuse(errno.EPERM)]
    return b"".join(
        struct.pack("=HBBI", *line)
        for line in (
            *lines,
            # The filter cannot read its flags; without it, C libraries use clone.
            *((_EQUAL, 0, 1, _CLONE3[column]), _refuse(errno.ENOSYS)),
            *((_EQUAL, 0, 4, _CLONE[column]), (_LOAD, 0, 0, _ARGUMENT_AT)),
            *((_ANY_BIT, 0, 1, _NEW_NAMESPACE), _refuse(errno.EPERM)),
            (_RETURN, 0, 0, _ALLOW),
            (_EQUAL, 0, len(_FAMILIES) + 2, _SOCKET[column]),
            (_LOAD, 0, 0, _ARGUMENT_AT),
            *(
                (_EQUAL, len(_FAMILIES) - i, 0, family)
                for i, family in enumerate(_FAMILIES)
            ),
            _refuse(errno.EAFNOSUPPORT),
            (_RETURN, 0, 0, _ALLOW),
        )
    )


def _refuse(number: int) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, _ERROR | number)
