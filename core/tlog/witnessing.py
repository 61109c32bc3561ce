"""Cosign a log's heads after having checked that it only grew since the last one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .errors import ProofError, UnknownSignerError, UnprovenKeyError
from .key_entries import KeyChain, KeyEntry, parse_key_changes
from .log_checkpoint import TreeHead, open_log_checkpoint, parse_tree_head
from .merkle import (
    ReadHash,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from .note import Note, Signer, VerifierKey, parse_note
from .tiles import Tile, reader_of


@dataclass(frozen=True)
class CheckedHead:
    """A head that follows from the one seen before, and the key that signed it.

    Who keeps the `key` takes no head by an older one any more.
    """

    head: TreeHead
    note: Note
    key: VerifierKey


def check_growth(
    checkpoint: str,
    *,
    key: VerifierKey,
    seen: TreeHead | None,
    read_tile: Callable[[Tile], bytes],
    read_changes: Callable[[], bytes],
) -> CheckedHead:
    """Return the head of a signed log checkpoint that follows from the one seen before.

    `key` is the log's, or one from which the changes of its key lead to that.
    `read_tile` returns the bytes of a tile, `read_changes` those of `key-changes`.

    Raises LogFormatError for what is no head, UnknownSignerError for one that is not
    signed by the log's key, and ProofError for one that is older than `seen`, or of
    another history.
    """
    size = parse_tree_head(parse_note(checkpoint).text).size
    read = reader_of(read_tile, size)
    try:
        head, note = open_log_checkpoint(checkpoint, origin=key.name, keys=[key])
    except UnknownSignerError:
        key, named = _led_to(key, size, read_changes())
        head, note = open_log_checkpoint(checkpoint, origin=key.name, keys=[key])
        _check_named(named, head, read)
    if seen is not None and head.size < seen.size:
        raise ProofError(f"the log went back from {seen.size} entries to {head.size}")
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
    return CheckedHead(head, note, key)


def _led_to(
    known: VerifierKey, size: int, changes: bytes
) -> tuple[VerifierKey, list[KeyEntry]]:
    """Return the key that signs a head of this size, and what leads to it."""
    entries = [each for each in parse_key_changes(changes) if each.index < size]
    (key,) = KeyChain([known], entries).signers_of(size)
    return key, entries


def _check_named(entries: Iterable[KeyEntry], head: TreeHead, read: ReadHash) -> None:
    """Check that entries of keys are in the log; raises UnprovenKeyError."""
    for each in entries:
        try:
            verify_inclusion(
                leaf=leaf_hash(each.text.encode()),
                index=each.index,
                size=head.size,
                path=inclusion_proof(each.index, head.size, read),
                root=head.root,
            )
        except ProofError:
            raise UnprovenKeyError(
                f"entry {each.index}, which names {each.key}, is not in the log"
            ) from None


def cosigned(note: Note, signer: Signer, *, signed_at_s: int) -> str:
    """Return a head with the cosignature of a witness behind its signatures."""
    line = signer.cosign(note.text, signed_at_s=signed_at_s)
    return str(Note(note.text, (*note.signatures, line)))
