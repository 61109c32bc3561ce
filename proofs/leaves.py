"""Append facts to the log: a row in the transaction of the fact, numbered later."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.transaction import TransactionManagementError

from core import clock
from core.copy import copy_binary
from core.tlog.canonical import canonical_json
from core.tlog.tiles import LARGEST_ENTRY_BYTES
from proofs.models import LogLeaf

VERSION = 1
_FIELDS = ("kind", "key", "competition", "entry", "inner", "seed", "at")
_COLUMNS = ("kind", "key", "competition_id", "entry", "inner", "seed", "at")


@dataclass(frozen=True)
class NewLeaf:
    """An entry to append: what it says, and what it commits to.

    `key` names the fact within its kind; a second leaf of the same fact is refused by
    the database. `body` is JSON without floats (docs/integrator/log.md has the kinds).
    """

    kind: LogLeaf.Kind
    key: str
    body: Mapping[str, Any]
    competition: int | None = None
    inner: bytes | None = None
    seed: bytes | None = None


def append_leaves(leaves: Iterable[NewLeaf], *, may_exist: bool = False) -> None:
    """Write leaves in the open transaction, with one statement; they wait for an index.

    `may_exist`: leave out facts that have a leaf. Raises TransactionManagementError
    outside of a transaction, LogFormatError for a body that is no entry.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError(
            "a leaf is appended inside the transaction that makes its fact"
        )
    now = clock.now()
    rows = [
        (
            *(leaf.kind, leaf.key, leaf.competition),
            *(_entry(leaf), leaf.inner, leaf.seed, now),
        )
        for leaf in leaves
    ]
    if may_exist:
        named = [dict(zip(_FIELDS, row, strict=True)) for row in rows]
        LogLeaf.objects.bulk_create(
            [LogLeaf(**row) for row in named], ignore_conflicts=True
        )
    elif rows:  # a round's have 32 bytes for each of its models
        table = LogLeaf._meta.db_table  # noqa: SLF001  documented API
        with connection.cursor() as cursor, connection.wrap_database_errors:
            copy_binary(cursor, table, _COLUMNS, rows)


def _entry(leaf: NewLeaf) -> bytes:
    entry = canonical_json({"v": VERSION, "kind": leaf.kind.value, **leaf.body})
    if len(entry) > LARGEST_ENTRY_BYTES:
        raise ValueError(
            f"the entry of {leaf.kind} {leaf.key} has {len(entry)} bytes; "
            f"{LARGEST_ENTRY_BYTES} are the most"
        )
    return entry
