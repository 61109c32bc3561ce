"""Prove each new key of the log: the old one has signed a head that covers it."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import OuterRef, Subquery

from core.tlog.merkle import inclusion_proof
from proofs.models import LogCheckpoint, LogLeaf
from proofs.tree import StoredTree


@dataclass(frozen=True)
class KeyChange:
    """The entry `index` of a key that replaced another, below a signed head.

    `note` is the first head that covers it, `path` (hex) leads from the entry to its
    root.
    """

    index: int
    entry: str
    note: str
    path: list[str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def key_changes() -> list[KeyChange]:
    """Return each change of the log's key, the first one first; two statements.

    One statement while the log has its first key.
    """
    heads = LogCheckpoint.objects.filter(size__gt=OuterRef("index")).order_by("size")
    rows: list[Any] = [
        leaf
        for leaf in LogLeaf.objects.sealed()
        .filter(kind=LogLeaf.Kind.KEY)
        .annotate(note=Subquery(heads.values("note")[:1]))
        .annotate(size=Subquery(heads.values("size")[:1]))
        if "replaces" in json.loads(leaf.text)
    ]
    tree = StoredTree((row.index, row.size) for row in rows)
    found = []
    for row in rows:
        path = inclusion_proof(row.index, row.size, tree.at(row.size))
        nodes = [node.hex() for node in path]
        found.append(KeyChange(row.index, row.text, row.note, nodes))
    return found
