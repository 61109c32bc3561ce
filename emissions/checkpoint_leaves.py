"""Commit to checkpoints in the log: who is paid what, by which ranking and periods."""

from collections.abc import Iterable, Sequence
from typing import Any

from competitions.models import Competition
from competitions.rules_version import log_rules
from competitions.slots import Wiring
from core import clock
from core.clock import iso_z
from core.grid import Period
from core.tlog.exact import exact_digest
from core.tlog.merkle import leaf_hash, root_of
from emissions.models import Checkpoint, PayoutEntry
from proofs.leaves import NewLeaf, append_leaves
from proofs.models import LogLeaf, LogLeafQuerySet
from scoring.snapshots.period_leaves import entries_within


def period_hashes(competition: Competition, period: Period) -> list[bytes]:
    """Return the leaf hashes of a checkpoint's tree: its periods' chained roots.

    In the order of the log; one statement.
    """
    return [
        leaf_hash(bytes.fromhex(body["chained_root"]))
        for _, body in entries_within(competition, period)
    ]


def ledger_rows(lines: Iterable[PayoutEntry]) -> list[dict[str, Any]]:
    """Return what the log commits to of a checkpoint's lines, which are in order."""
    return [
        {
            "kind": line.kind,
            "cruncher_index": line.cruncher_index,
            "amount": line.amount,
            "reason": line.reason,
            "created_at": iso_z(line.created_at),
        }
        for line in lines
    ]


def log_checkpoint(
    checkpoint: Checkpoint,
    wiring: Wiring,
    periods: Sequence[bytes],
    due: Sequence[PayoutEntry],
) -> None:
    """Append the entry of a new checkpoint, with the lines of what is due.

    Runs in the transaction that makes it.
    """
    competition = checkpoint.competition
    body = {
        "checkpoint": str(checkpoint),
        "competition": competition.slug,
        "created_at": iso_z(checkpoint.created_at),
        "emission": exact_digest(checkpoint.entries[0]),
        "ledger": exact_digest(ledger_rows(due)),
        "meta": exact_digest(checkpoint.meta),
        "period_end": iso_z(checkpoint.period_end),
        "period_start": iso_z(checkpoint.period_start),
        "periods": len(periods),
        "root": root_of(periods).hex(),
        "rules": log_rules(competition, wiring),
    }
    leaf = NewLeaf(
        LogLeaf.Kind.CHECKPOINT,
        f"{competition.pk}:{body['period_start']}:{body['period_end']}",
        body,
        competition=competition.pk,
        inner=b"".join(periods),
    )
    append_leaves([leaf])


def settlements_of(checkpoint: Checkpoint) -> LogLeafQuerySet:
    """Return the log's entries of a checkpoint's steps: one for each change of it."""
    return LogLeaf.objects.filter(
        kind=LogLeaf.Kind.SETTLEMENT, key__startswith=f"{checkpoint.pk}:"
    )


def log_settlement(checkpoint: Checkpoint) -> None:
    """Append what pays a checkpoint, as it stands now: status, transaction, ledger.

    Runs in the transaction of the step, under the checkpoint's row lock. Three
    statements.
    """
    submitted_at = checkpoint.submitted_at
    competition = checkpoint.competition
    body = {
        "at": iso_z(clock.now()),
        "checkpoint": str(checkpoint),
        "competition": competition.slug,
        "ledger": exact_digest(ledger_rows(checkpoint.ledger.in_order())),
        "status": checkpoint.status,
        "submitted_at": submitted_at and iso_z(submitted_at),
        "tx_hash": checkpoint.tx_hash,
    }
    leaf = NewLeaf(
        LogLeaf.Kind.SETTLEMENT,
        f"{checkpoint.pk}:{settlements_of(checkpoint).count()}",
        body,
        competition=competition.pk,
    )
    append_leaves([leaf])
