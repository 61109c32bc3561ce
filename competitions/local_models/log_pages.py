"""Read what a model printed page by page, across the change of its log's file."""

import os
from dataclasses import dataclass
from pathlib import Path

from competitions.local_models.round_marks import part_of_round
from competitions.local_models.trees import open_plain
from core.texts import readable

LARGEST_PAGE_BYTES = 64 * 2**10


@dataclass(frozen=True)
class LogPage:
    """A part of a log, and the cursor from which the next part is read."""

    text: str
    cursor: str
    is_end: bool


def read_log(path: Path, cursor: str = "") -> LogPage:
    """Return the part of a log at a cursor, whole lines where there are any.

    The log is `path` and its older half `path.1` (see core.logs.append_bounded). Begins
    with the oldest part without a cursor, and where the cursor's part is gone. Links
    and pipes count as empty.
    """
    files = _files(path)
    name, _, offset = cursor.partition(":")
    begin = _offset(offset)
    states = [_identity(each) for each in files]
    at = states.index(name) if name and name in states else 0
    if not (name and name in states):
        begin = 0
    data = _read(files[at], begin, LARGEST_PAGE_BYTES)
    if not data and at == 0:  # the older half is read: go on with the newer
        at, begin = 1, 0
        data = _read(files[at], begin, LARGEST_PAGE_BYTES)
    whole = _whole_lines(data)
    following = f"{_identity(files[at])}:{begin + len(whole)}"
    is_end = at == 1 and len(whole) == len(data) < LARGEST_PAGE_BYTES
    return LogPage(_text(whole), following, is_end)


def read_round(path: Path, round_id: int, cursor: str = "") -> LogPage | None:
    """Return what a model printed while it was asked in a round, from a cursor on.

    None where the log has nothing of the round.
    """
    log = b"".join(_read(each, 0, -1) for each in _files(path))
    part = part_of_round(log, round_id)
    if part is None:
        return None
    begin = _offset(cursor)
    data = part[begin : begin + LARGEST_PAGE_BYTES]
    whole = _whole_lines(data)
    end = begin + len(whole)
    return LogPage(_text(whole), str(end), end >= len(part))


def _files(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}.1"), path]


def _offset(cursor: str) -> int:
    return int(cursor) if cursor.isdecimal() and len(cursor) < 19 else 0


def _whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1] or data


def _text(data: bytes) -> str:
    return readable(data.decode(errors="replace"), limit=LARGEST_PAGE_BYTES)


def _identity(path: Path) -> str:
    """Return what names a file also after it was renamed; empty without one."""
    try:
        return f"{path.lstat().st_ino:x}"
    except OSError:
        return ""


def _read(path: Path, begin: int, most_bytes: int) -> bytes:
    try:
        with open_plain(path) as file:
            file.seek(begin, os.SEEK_SET)
            return file.read(most_bytes)
    except OSError:
        return b""
