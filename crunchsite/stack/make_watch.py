"""Notice that the `make` which runs `manage.py up` is ending.

GNU make passes SIGTERM on to its program, and no other signal: the terminal sends those
to both. Sent to `make` alone, SIGINT and SIGHUP let it wait for a program that knows
nothing of them; from then on it catches them no longer. Killed, it passes on nothing.
"""

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

NAMES = ("make", "gmake")
ENDING = (signal.SIGHUP, signal.SIGINT)


class MakeWatch:
    """The `make` that started this process, if one did."""

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._caught = set()
        with suppress(OSError):
            if Path(f"/proc/{self._parent}/comm").read_text().strip() in NAMES:
                self._caught = caught_by(self._parent)

    def follow(self) -> None:
        """Ask this process to stop if `make` is ending."""
        if self._is_ending():
            os.kill(os.getpid(), signal.SIGTERM)

    def _is_ending(self) -> bool:
        if not self._caught:
            return False
        return self._parent != os.getppid() or self._caught != caught_by(self._parent)


def caught_by(pid: int) -> set[signal.Signals]:
    """Return which signals of ENDING a process catches; none if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return set()
    (mask,) = re.findall(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return {number for number in ENDING if int(mask, 16) & 1 << (number - 1)}
