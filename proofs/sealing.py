"""Number waiting leaves and sign the head that covers them: all of it, or nothing.

One caller at a time, in one transaction: indices, tiles and head become visible
together, so that every leaf with an index is under a signed head. Before the commit the
head is written beside the key (proofs.kept_head). So the log has no gap, and no second
head of any size: not for two workers, nor after a kill at any point, nor with a
database that was restored from a backup.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.db import connection, transaction

from core import clock
from core.only_one import one_after_another
from core.tlog.log_checkpoint import TreeHead
from core.tlog.merkle import EMPTY_ROOT, leaf_hash
from core.tlog.note import Note, Signer
from proofs import kept_head, log_keys, tree
from proofs.errors import LogForkError, LogKeyError
from proofs.kept_head import KeptHead
from proofs.key_leaves import append_first_key, newest_key
from proofs.models import LogCheckpoint, LogLeaf

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 5_000  # leaves
_SEALING = 0x6C6F67  # "log"
_NUMBER = """
    UPDATE log_leaves SET index = given.index
    FROM unnest(%s::bigint[], %s::bigint[]) AS given(id, index)
    WHERE log_leaves.id = given.id AND log_leaves.index IS NULL
"""


@dataclass(frozen=True)
class _Batch:
    """Leaves to number, in this order; `note` is their head if it was signed."""

    leaves: Sequence[LogLeaf]
    kept: KeptHead | None = None


def seal() -> int:
    """Number the leaves of committed transactions and sign a head; return how many.

    The number of statements does not depend on the number of leaves. Nothing happens
    when none waits. Raises LogKeyError without a usable key or a place for the head,
    and LogForkError when the database has not what was signed before: the leaves wait.
    """
    if not LogLeaf.objects.waiting().exists():
        return 0
    signers = log_keys.signers()
    append_first_key(signers[0].key)
    with transaction.atomic():
        one_after_another(_SEALING)
        last = LogCheckpoint.objects.first()
        size = last.size if last else 0
        edge = tree.read_edge(size)
        if edge.root() != (bytes(last.root) if last else EMPTY_ROOT):
            raise LogForkError(
                f"the tiles of the log do not lead to the head of {size} leaves: the "
                "database was changed by hand or is damaged; restore it."
            )
        batch = _batch(last)
        if not batch.leaves:
            return 0
        _check_keys(signers, batch.leaves)
        for leaf in batch.leaves:
            edge.append(leaf_hash(bytes(leaf.entry)))
        kept = batch.kept or _sign(signers, edge, size, batch.leaves)
        if kept.head.root != edge.root():
            raise forked(kept, size)
        _number(batch.leaves, size)
        tree.store(edge.changed())
        now = clock.now()
        LogCheckpoint(
            size=edge.size,
            root=edge.root(),
            note=kept.note,
            signed_at=max(now, last.signed_at) if last else now,
        ).save()
        if batch.kept is None:
            kept_head.write(kept)
    log.info("log.sealed", size=edge.size, leaves=len(batch.leaves))
    return len(batch.leaves)


def _batch(last: LogCheckpoint | None) -> _Batch:
    """Return what to number: what waits, or what a killed caller had signed."""
    size = last.size if last else 0
    kept = kept_head.read()
    if kept is None:
        return _Batch(_waiting(size))
    if kept.head.size <= size:
        known = bytes(last.root) if last and kept.head.size == size else None
        if (known or tree.root_at(kept.head.size)) != kept.head.root:
            raise forked(kept, size)
        return _Batch(_waiting(size))
    rows = LogLeaf.objects.waiting().in_bulk(kept.leaves)
    leaves = [rows[pk] for pk in kept.leaves if pk in rows]
    if kept.before != size or size + len(leaves) != kept.head.size:
        raise forked(kept, size)
    return _Batch(leaves, kept)


def _waiting(size: int) -> list[LogLeaf]:
    """Return leaves in the order of writing; the first of a log is its key.

    Of more than are sealed at once, keys go before the others: with a key that the log
    does not know, nothing is signed before its entry.
    """
    leaves = list(LogLeaf.objects.waiting().defer("inner", "seed")[:MOST_AT_ONCE])
    if size == 0 or len(leaves) == MOST_AT_ONCE:
        first = LogLeaf.objects.waiting().filter(kind=LogLeaf.Kind.KEY)
        keys = [leaf.pk for leaf in first]
        leaves = [*first, *(leaf for leaf in leaves if leaf.pk not in keys)]
    return leaves


def _check_keys(signers: Sequence[Signer], leaves: Sequence[LogLeaf]) -> None:
    """Refuse keys that the log does not know: its newest key must be among them."""
    keys = [leaf for leaf in leaves if leaf.kind == LogLeaf.Kind.KEY]
    expected = newest_key(keys[-1] if keys else None)
    if expected not in [str(signer.key) for signer in signers]:
        raise LogKeyError(
            f"the log's key is {expected}, and this site has another; restore its "
            "file, or if it is lost for good: `manage.py log_key replace-lost`."
        )


def _sign(
    signers: Sequence[Signer], edge: tree.Edge, size: int, leaves: Sequence[LogLeaf]
) -> KeptHead:
    text = TreeHead(signers[0].key.name, edge.size, edge.root()).text()
    note = Note(text, tuple(signer.sign(text) for signer in signers))
    return KeptHead(str(note), size, tuple(leaf.pk for leaf in leaves))


def _number(leaves: Sequence[LogLeaf], size: int) -> None:
    places = list(range(size, size + len(leaves)))
    with connection.cursor() as cursor:
        cursor.execute(_NUMBER, [[leaf.pk for leaf in leaves], places])
        if cursor.rowcount != len(leaves):
            raise LogForkError("a waiting leaf was numbered by somebody else.")


def forked(kept: KeptHead, size: int) -> LogForkError:
    """Return the refusal for a head that the database, with `size`, denies."""
    return LogForkError(
        f"a head of {kept.head.size} leaves was signed, and this database, of {size}, "
        "does not lead to it: it was restored from an older backup. Nothing more is "
        "signed, because that would be a second history. Restore a newer database; if "
        f"there is none, see docs/operator/log.md about {kept_head.head_file()}."
    )
