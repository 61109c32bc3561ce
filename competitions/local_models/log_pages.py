"""Read what a model printed page by page, across the change of its log's file."""

import os
from dataclasses import dataclass
from pathlib import Path

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
    files = [path.with_name(f"{path.name}.1"), path]
    name, _, offset = cursor.partition(":")
    begin = int(offset) if offset.isdecimal() and len(offset) < 19 else 0
    states = [_identity(each) for each in files]
    at = states.index(name) if name and name in states else 0
    if not (name and name in states):
        begin = 0
    data = _read(files[at], begin)
    if not data and at == 0:  # the older half is read: go on with the newer
        at, begin = 1, 0
        data = _read(files[at], begin)
    whole = data[: data.rfind(b"\n") + 1] or data
    following = f"{_identity(files[at])}:{begin + len(whole)}"
    is_end = at == 1 and len(data) < LARGEST_PAGE_BYTES
    text = readable(whole.decode(errors="replace"), limit=LARGEST_PAGE_BYTES)
    return LogPage(text, following, is_end)


def _identity(path: Path) -> str:
    """Return what names a file also after it was renamed; empty without one."""
    try:
        return f"{path.lstat().st_ino:x}"
    except OSError:
        return ""


def _read(path: Path, begin: int) -> bytes:
    try:
        with open_plain(path) as file:
            file.seek(begin, os.SEEK_SET)
            return file.read(LARGEST_PAGE_BYTES)
    except OSError:
        return b""
