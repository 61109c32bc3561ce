"""Prove that entries are in the log, under a head that was signed early.

A proof is a `.tlog-proof` (c2sp.org/tlog-proof). Its `extra` holds the entry itself,
and how a fact leads to the root that the entry names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce

from core.tlog.canonical import canonical_json
from core.tlog.log_proof import LogProof
from core.tlog.merkle import MemoryTree, inclusion_proof
from proofs.key_changes import KeyChange, key_changes
from proofs.models import Cosignature, LogCheckpoint, LogLeaf, LogLeafQuerySet
from proofs.served_files import signed_head
from proofs.tree import StoredTree


@dataclass(frozen=True)
class Placed:
    """A sealed leaf, a signed head that covers it, and its path below that.

    The head is the first that a witness has cosigned, else the first of all. `keys` are
    the changes of the log's key below it: who knows an older key follows them.
    """

    leaf: LogLeaf
    head: LogCheckpoint
    path: tuple[bytes, ...]
    keys: tuple[KeyChange, ...] = ()

    def proof(self, extra: Mapping[str, Any]) -> str:
        """Return the text of the `.tlog-proof`; `extra` is added to the entry."""
        assert self.leaf.index is not None  # a head covers it
        keys = {"keys": [each.as_json() for each in self.keys]} if self.keys else {}
        packed = canonical_json({"entry": self.leaf.text, **extra, **keys})
        return str(LogProof(self.leaf.index, self.path, signed_head(self.head), packed))


def place(leaves: LogLeafQuerySet) -> dict[int, Placed]:
    """Return the sealed ones among some leaves, by primary key.

    The number of statements does not depend on the number of leaves.
    """
    covering = LogCheckpoint.objects.filter(size__gt=OuterRef("index"))
    first = covering.order_by("size").values("size")[:1]
    cosigned = Cosignature.objects.filter(head__gt=OuterRef("index"))
    rows: list[Any] = list(
        leaves.sealed().annotate(
            head_size=Coalesce(
                Subquery(cosigned.order_by("head").values("head")[:1]),
                Subquery(first),
                output_field=BigIntegerField(),
            )
        )
    )
    sizes: dict[int, int] = {row.pk: row.head_size for row in rows}
    heads = LogCheckpoint.objects.prefetch_related("cosignatures").in_bulk(
        {*sizes.values()}
    )
    tree = StoredTree((row.index or 0, sizes[row.pk]) for row in rows)
    changes = key_changes()
    return {
        row.pk: Placed(
            row,
            heads[size := sizes[row.pk]],
            tuple(inclusion_proof(row.index or 0, size, tree.at(size))),
            tuple(change for change in changes if change.index < size),
        )
        for row in rows
    }


def inner_proof(leaf: LogLeaf, position: int) -> dict[str, Any]:
    """Return the part of `extra` that leads from a fact to the root in its entry.

    `position` is the fact's in the inner tree.
    """
    hashes = leaf.hashes
    path = inclusion_proof(position, len(hashes), MemoryTree(hashes))
    return {
        "inner": {
            "index": position,
            "path": [node.hex() for node in path],
            "size": len(hashes),
        }
    }
