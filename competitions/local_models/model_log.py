"""Copy what a model prints to its log, at a bounded pace and size."""

import asyncio
import contextlib
from collections import deque
from pathlib import Path

from competitions.local_models.round_marks import is_mark
from core.logs import append_bounded
from core.texts import readable

LONGEST_LAST_WORDS = 500
LARGEST_BYTES = 5 * 2**20
# A model that prints faster than this has to wait when it prints.
BYTES_PER_S = 2**20


class ModelLog:
    """The log of a model's processes: two files of a bounded size."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest_lines: deque[str] = deque(maxlen=5)

    async def copy(self, output: asyncio.StreamReader) -> None:
        """Copy what a process prints until it has ended."""
        while chunk := await output.read(65536):
            text = chunk.decode(errors="replace")
            lines = (line for line in text.splitlines() if line and not is_mark(line))
            self._newest_lines.extend(lines)
            # A full disk loses log lines, but stops no model.
            with contextlib.suppress(OSError):
                append_bounded(self._path, text.encode(), largest_bytes=LARGEST_BYTES)
            await asyncio.sleep(len(chunk) / BYTES_PER_S)

    def last_words(self) -> str:
        """Return the last line that a process printed, for the reason of its end."""
        if not self._newest_lines:
            return "it printed nothing"
        return readable(self._newest_lines[-1], limit=LONGEST_LAST_WORDS)
