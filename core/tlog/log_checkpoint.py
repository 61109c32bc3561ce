"""Write and read log checkpoints: the size and the root that a log signs.

Format: c2sp.org/tlog-checkpoint.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import LogFormatError, ProofError
from .merkle import HASH_BYTES
from .note import (
    Note,
    VerifierKey,
    decode_base64,
    encode_base64,
    parse_note,
    verify_note,
)

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class TreeHead:
    """The first `size` leaves of the log `origin` have the root `root` (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the note text: origin, size and root in base64, a line each."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"


def parse_tree_head(text: str) -> TreeHead:
    """Return the tree head of a note text; raises LogFormatError.

    Extension lines are allowed by the format, are signed, and say nothing to us.
    """
    lines = text.split("\n")
    if lines.pop() or len(lines) < 3 or not all(lines):
        raise LogFormatError("a log checkpoint has three lines: origin, size, root")
    origin, size, root = lines[:3]
    if not _SIZE.fullmatch(size):
        raise LogFormatError("the size is a decimal number without leading zeros")
    data = decode_base64(root)
    if len(data) != HASH_BYTES:
        raise LogFormatError(f"the root has {HASH_BYTES} bytes")
    return TreeHead(origin, int(size), data)


def open_log_checkpoint(
    text: str, *, origin: str, keys: Iterable[VerifierKey]
) -> tuple[TreeHead, Note]:
    """Return the verified tree head of a signed log checkpoint, and the note.

    Raises LogFormatError for what is no checkpoint; ProofError for one of another log
    or without a signature by one of the keys.
    """
    note = parse_note(text)
    head = parse_tree_head(note.text)
    if head.origin != origin:
        raise ProofError(f"this is of the log {head.origin!r}, not {origin!r}")
    verify_note(note, keys)
    return head, note
