"""Keep the last signed head outside of the database, beside the key.

A database that is restored from an older backup knows less than was signed. The file
says so, and nothing is signed that would contradict it. It is written before the
database commits, with what was numbered: who was killed in between is finished by the
next caller, with the same head.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from core.files import write_file
from core.tlog.errors import LogFormatError
from core.tlog.log_checkpoint import TreeHead, parse_tree_head
from core.tlog.note import parse_note
from proofs import log_keys
from proofs.errors import LogForkError, LogKeyError


@dataclass(frozen=True)
class KeptHead:
    """A signed head, and the leaves by primary key that it adds to `before`."""

    note: str
    before: int
    leaves: tuple[int, ...]

    @property
    def head(self) -> TreeHead:
        return parse_tree_head(parse_note(self.note).text)


def head_file() -> Path:
    return log_keys.key_file().with_name("log_head")


def read() -> KeptHead | None:
    """Return the head that was kept; raises LogForkError for a file that is none."""
    path = head_file()
    try:
        raw = json.loads(path.read_text())
        kept = KeptHead(raw["note"], int(raw["before"]), tuple(raw["leaves"]))
        kept.head  # noqa: B018  it is one, or raises
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, LogFormatError) as error:
        raise LogForkError(
            f"{path} holds no signed head ({error}); restore it from a backup. It "
            "keeps an older database from signing another history."
        ) from None
    return kept


def write(kept: KeptHead) -> None:
    """Replace the file; when this returns, the disk has it. Raises LogKeyError."""
    text = json.dumps(
        {"note": kept.note, "before": kept.before, "leaves": list(kept.leaves)}
    )
    try:
        write_file(head_file(), text)
    except OSError as error:
        raise LogKeyError(
            f"its head cannot be kept at {head_file()} ({error.strerror}); make room "
            "on the disk, and let the site write there."
        ) from None
