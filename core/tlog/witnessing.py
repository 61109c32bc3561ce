"""Cosign a log's heads after having checked that it only grew since the last one."""

from collections.abc import Callable, Iterable

from .errors import ProofError
from .log_checkpoint import TreeHead, open_log_checkpoint
from .merkle import consistency_proof, tree_root, verify_consistency
from .note import Note, Signer, VerifierKey
from .tiles import Tile, reader_of


def check_growth(
    checkpoint: str,
    *,
    origin: str,
    keys: Iterable[VerifierKey],
    seen: TreeHead | None,
    read_tile: Callable[[Tile], bytes],
) -> tuple[TreeHead, Note]:
    """Return the head of a signed log checkpoint that follows from the one seen before.

    `read_tile` returns the bytes of a tile of the log. Raises LogFormatError for what
    is no head, and ProofError for one that is not signed by the keys, is older than
    `seen`, or of another history.
    """
    head, note = open_log_checkpoint(checkpoint, origin=origin, keys=keys)
    if seen is not None and head.size < seen.size:
        raise ProofError(f"the log went back from {seen.size} entries to {head.size}")
    read = reader_of(read_tile, head.size)
    if tree_root(head.size, read) != head.root:
        raise ProofError("the log's tiles do not lead to the root that it has signed")
    if seen is not None:
        verify_consistency(
            old=seen.size,
            old_root=seen.root,
            size=head.size,
            root=head.root,
            path=consistency_proof(seen.size, head.size, read),
        )
    return head, note


def cosigned(note: Note, signer: Signer, *, signed_at_s: int) -> str:
    """Return a head with the cosignature of a witness behind its signatures."""
    line = signer.cosign(note.text, signed_at_s=signed_at_s)
    return str(Note(note.text, (*note.signatures, line)))
