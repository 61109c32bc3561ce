"""Mark in a model's log what it printed while it was asked in a round.

The gateway labels its calls with the round; other runners ignore that. The marks
stand among what the model prints, which can print such marks too: into its own log.
"""

import contextlib
import os
import re
from collections.abc import Iterator

LABEL = "x-label"  # key of a call's metadata
_MARK = re.compile(rb"\[round ([0-9]{1,19}): \w{1,100}( ended)?\]\n")
_STDOUT = 1


@contextlib.contextmanager
def marked(round_id: str, method: str) -> Iterator[None]:
    """Print a mark before and after a call of a round; nothing for another call."""
    _write(round_id, method)
    try:
        yield
    finally:
        _write(round_id, f"{method} ended")


def is_mark(line: str) -> bool:
    """Return whether a line of a log is a mark, and nothing that a model said."""
    return _MARK.fullmatch(f"{line}\n".encode()) is not None


def part_of_round(log: bytes, round_id: int) -> bytes | None:
    """Return the part of a log between the marks of a round, with them, or None.

    A call that never ended lasts until the next mark.
    """
    wanted, parts = str(round_id).encode(), []
    begin: int | None = None
    for mark in _MARK.finditer(log):
        is_wanted, is_end = mark[1] == wanted, bool(mark[2])
        if begin is None:
            begin = mark.start() if is_wanted and not is_end else None
        elif is_end or not is_wanted:
            parts.append(log[begin : mark.end() if is_wanted else mark.start()])
            begin = None
    if begin is not None:
        parts.append(log[begin:])
    return b"".join(parts) if parts else None


def _write(round_id: str, what: str) -> None:
    if round_id.isdecimal():
        # Past whatever the model has put in the place of `sys.stdout`.
        with contextlib.suppress(OSError):
            os.write(_STDOUT, f"[round {round_id}: {what}]\n".encode())
