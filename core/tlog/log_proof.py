"""Write and verify receipts: an entry is in a log, under a signed log checkpoint.

Format: c2sp.org/tlog-proof, files named `.tlog-proof`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import LogFormatError, ProofError
from .log_checkpoint import TreeHead, open_log_checkpoint
from .merkle import HASH_BYTES, leaf_hash, verify_inclusion
from .note import VerifierKey, decode_base64, encode_base64, verify_note

FIRST_LINE = "c2sp.org/tlog-proof@v1"
LONGEST_PATH = 63

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True)
class LogProof:
    """Entry `index` is below the root of a log checkpoint, by an audit path.

    `extra` is not covered by any signature: what it says has to be checked apart.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""

    def __str__(self) -> str:
        extra = [f"extra {encode_base64(self.extra)}"] if self.extra else []
        path = map(encode_base64, self.path)
        lines = [FIRST_LINE, *extra, f"index {self.index}", *path, "", self.checkpoint]
        return "\n".join(lines)


def parse_log_proof(text: str) -> LogProof:
    """Return the proof of a text; raises LogFormatError."""
    head, separator, checkpoint = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != FIRST_LINE or not separator:
        raise LogFormatError(f"a proof begins with the line {FIRST_LINE}")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "))
    found = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if not found:
        raise LogFormatError("a proof names the index of its entry")
    if len(lines) > LONGEST_PATH:
        raise LogFormatError(f"a path has at most {LONGEST_PATH} hashes")
    path = tuple(map(decode_base64, lines))
    if any(len(node) != HASH_BYTES for node in path):
        raise LogFormatError(f"a hash has {HASH_BYTES} bytes")
    return LogProof(int(found[1]), path, checkpoint, extra)


def verify_log_proof(
    proof: LogProof,
    entry: bytes,
    *,
    origin: str,
    keys: Iterable[VerifierKey],
    witnesses: Iterable[VerifierKey] = (),
    least_witnesses: int = 0,
) -> TreeHead:
    """Check that an entry is in the log `origin`, signed by one of its keys.

    Returns the tree head. Raises LogFormatError or ProofError, which also says when
    fewer than `least_witnesses` of the witnesses have cosigned.
    """
    head, note = open_log_checkpoint(proof.checkpoint, origin=origin, keys=keys)
    verify_inclusion(
        leaf=leaf_hash(entry),
        index=proof.index,
        size=head.size,
        path=proof.path,
        root=head.root,
    )
    if least_witnesses:
        found = verify_note(note, witnesses)
        if len(found) < least_witnesses:
            raise ProofError(
                f"{len(found)} of the witnesses have cosigned this; "
                f"{least_witnesses} are needed"
            )
    return head
