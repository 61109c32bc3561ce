"""Give each model a separate user id, when this runs as root."""

import json
import os
import pwd
import signal
import socket
import time
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from core.errors import OperatorError
from core.files import write_file

FIRST_UID = 50_000
BLOCKS, BLOCK_SIZE = 40, 250
END_S = 5.0


class NoUserError(OperatorError):
    """There is no free user of the machine for a model."""

    code = "local_model_users"


class Users:
    """User ids that belong to this orchestrator alone while it lives, in blocks.

    `record` is a file that models cannot write; it keeps the blocks that its
    orchestrators have had. What still runs in such a block was left by one that was
    killed, and ends. A block in which others run, and ids that the system knows by
    name, are somebody else's and are left alone. Raises NoUserError.
    """

    def __init__(self, record: Path) -> None:
        self._record = record
        self._locks: list[socket.socket] = []
        self._uids: deque[int] = deque()
        self._claim()

    def take(self, taken: Collection[int]) -> int:
        """Return a user id that is not in `taken`, the longest unused first."""
        for _ in self._uids.copy():
            self._uids.rotate(-1)
            if self._uids[-1] not in taken and not _is_named(self._uids[-1]):
                return self._uids[-1]
        self._claim()
        return self.take(taken)

    def close(self) -> None:
        """Release the user ids for other orchestrators."""
        for lock in self._locks:
            lock.close()

    def _claim(self) -> None:
        """Claim a block of user ids that no other orchestrator has."""
        ours = self._recorded()
        for number in range(BLOCKS):
            # An abstract socket's name: only one process can hold it, and it ends with
            # the process.
            lock = socket.socket(socket.AF_UNIX)
            try:
                lock.bind(f"\0crunchsite-models-users-{number}")
            except OSError:
                lock.close()
                continue
            first = FIRST_UID + number * BLOCK_SIZE
            block = range(first, first + BLOCK_SIZE)
            if number in ours:
                kill_all(block)
            elif _processes(block):
                lock.close()
                continue
            write_file(self._record, json.dumps(sorted(ours | {number})).encode())
            self._locks.append(lock)
            self._uids.extend(block)
            return
        raise NoUserError(
            f"the users {FIRST_UID} to {FIRST_UID + BLOCKS * BLOCK_SIZE - 1} are all "
            "taken on this machine, by orchestrators or other programs; stop one."
        )

    def _recorded(self) -> set[int]:
        try:
            return set(json.loads(self._record.read_bytes()))
        except (OSError, ValueError, TypeError):
            return set()


def kill_all(uids: Collection[int]) -> int:
    """Kill the processes of users until none is left; returns how many were found.

    Gives up after a few seconds.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + END_S
    while (found := _processes(uids)) and time.monotonic() < deadline:
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        killed |= found
        time.sleep(0.002)
    return len(killed)


def _processes(uids: Collection[int]) -> set[int]:
    """Return the ids of users' living processes, also where root owns their files."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            status = (folder / "status").read_text().splitlines()
            fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
            owner = int(fields["Uid"].split()[0])
            is_alive = fields["State"][0] not in "ZX"
            if owner in uids and is_alive and not _is_named(owner):
                found.add(int(folder.name))
    return found


def _is_named(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
