"""Prove that a snapshot is in its period's tree, the chain of periods, and the log."""

import json
from dataclasses import dataclass
from typing import Any

from competitions.models import Competition
from core.clock import iso_z
from core.tlog.merkle import MemoryTree, leaf_hash, sided_path
from proofs.errors import LogProofError
from proofs.models import LogLeaf
from proofs.placing import inner_proof, place
from scoring.models import Snapshot
from scoring.snapshots.period_leaves import entries_of


@dataclass(frozen=True)
class PathStep:
    """One hash of a path, and the side of the pair on which it stands."""

    hash: str
    position: str

    @classmethod
    def of(cls, node: bytes, *, is_left: bool) -> "PathStep":
        return cls(node.hex(), "left" if is_left else "right")


@dataclass(frozen=True)
class SnapshotProof:
    """How a snapshot leads to its cycle's root, a checkpoint's, and a signed head.

    `path` begins at the leaf hash of the content hash and ends at `cycle_root`;
    `checkpoint_path` begins at the leaf hash of `cycle_root` and ends at `merkle_root`.
    """

    snapshot: Snapshot
    cycle: LogLeaf
    cycle_root: str
    path: list[PathStep]
    checkpoint_id: str | None
    merkle_root: str | None
    checkpoint_path: list[PathStep]
    proof: str | None


def prove_snapshot(competition: Competition, snapshot: Snapshot) -> SnapshotProof:
    """Return the proof of a closed snapshot; raises LogProofError when there is none.

    A constant number of statements.
    """
    start, end = iso_z(snapshot.period_start), iso_z(snapshot.period_end)
    key = f"{competition.pk}:{start}:{end}:{snapshot.revision}"
    cycle = entries_of(competition).filter(key=key).first()
    if cycle is None:
        raise LogProofError(
            f"snapshot SNAP_{snapshot.pk} is in no cycle: its period is open, or was"
            " closed before the log began."
        )
    body, hashes = json.loads(cycle.text), cycle.hashes
    try:
        position = hashes.index(leaf_hash(bytes.fromhex(snapshot.content_hash)))
    except ValueError:
        raise LogProofError(
            f"snapshot SNAP_{snapshot.pk} differs from what the log committed to."
        ) from None
    path = _steps(position, hashes)
    if body["previous"]:
        path.append(PathStep(body["previous"], "left"))
    placed = place(LogLeaf.objects.filter(pk=cycle.pk)).get(cycle.pk)
    return SnapshotProof(
        snapshot=snapshot,
        cycle=cycle,
        cycle_root=body["chained_root"],
        path=path,
        **_checkpoint(competition, start, body["chained_root"]),
        proof=placed.proof(inner_proof(cycle, position)) if placed else None,
    )


def _checkpoint(competition: Competition, start: str, chained: str) -> dict[str, Any]:
    """Return the checkpoint whose tree has a cycle, its root, and the path to it."""
    # The key begins with the competition and the start of the checkpoint's period.
    leaf = (
        LogLeaf.objects.filter(
            kind=LogLeaf.Kind.CHECKPOINT,
            competition=competition.pk,
            key__lt=f"{competition.pk}:{start};",
        )
        .order_by("-key")
        .first()
    )
    node = leaf_hash(bytes.fromhex(chained))
    if leaf is None or node not in leaf.hashes:
        return {"checkpoint_id": None, "merkle_root": None, "checkpoint_path": []}
    body = json.loads(leaf.text)
    return {
        "checkpoint_id": body["checkpoint"],
        "merkle_root": body["root"],
        "checkpoint_path": _steps(leaf.hashes.index(node), leaf.hashes),
    }


def _steps(position: int, hashes: list[bytes]) -> list[PathStep]:
    return [
        PathStep.of(node, is_left=is_left)
        for node, is_left in sided_path(position, len(hashes), MemoryTree(hashes))
    ]
