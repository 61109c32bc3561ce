"""Write the log of one part: read from its output, bounded, without blocking it."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

from core.logs import append_bounded

LARGEST_BYTES = 5 * 2**20


class PartLog:
    """Write a part's output to `path`, and the older half to `NAME.log.1`.

    The part writes into a pipe, so a full disk loses lines but does not stop the part.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def follow(self, output: IO[bytes]) -> threading.Thread:
        """Copy `output` until its last writer has ended; return the copying thread."""
        copying = threading.Thread(target=self._copy, args=[output], daemon=True)
        copying.start()
        return copying

    def _copy(self, output: IO[bytes]) -> None:
        with output:
            while chunk := output.read1(65536):  # type: ignore[attr-defined]
                with suppress(OSError):
                    append_bounded(self.path, chunk, largest_bytes=LARGEST_BYTES)

    def tail(self, lines: int = 5) -> str:
        try:
            text = self.path.read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])
