"""Commit to closed periods in the log: each binds its snapshots, and the one before."""

import json
from collections.abc import Iterable, Mapping
from itertools import groupby

from competitions.models import Competition
from competitions.rules_version import log_rules
from competitions.slots import Wiring
from core.clock import iso_z
from core.grid import Period
from core.tlog.merkle import leaf_hash, node_hash, root_of
from proofs.leaves import NewLeaf, append_leaves
from proofs.models import LogLeaf, LogLeafQuerySet
from scoring.models import Snapshot


def log_closed(
    competition: Competition, wiring: Wiring, snapshots: Iterable[Snapshot]
) -> None:
    """Append an entry for each period of closed snapshots, given by period.

    Runs in the transaction that closes them, under the competition's lock: so the
    entries of a competition form one chain. Three statements at most, none without
    snapshots.
    """
    periods = [
        (*key, list(rows))
        for key, rows in groupby(
            snapshots, key=lambda row: (row.period_start, row.period_end, row.revision)
        )
    ]
    if not periods:
        return
    previous = _newest_root(competition)
    rules = log_rules(competition, wiring)
    leaves = []
    for start, end, revision, rows in periods:
        hashes = snapshot_hashes(row.content_hash for row in rows)
        root = root_of(hashes)
        chained = (node_hash(bytes.fromhex(previous), root) if previous else root).hex()
        leaves.append(
            NewLeaf(
                LogLeaf.Kind.PERIOD,
                f"{competition.pk}:{iso_z(start)}:{iso_z(end)}:{revision}",
                {
                    "chained_root": chained,
                    "competition": competition.slug,
                    "period_end": iso_z(end),
                    "period_start": iso_z(start),
                    "previous": previous,
                    "revision": revision,
                    "root": root.hex(),
                    "rules": rules,
                    "snapshots": len(rows),
                },
                competition=competition.pk,
                inner=b"".join(hashes),
            )
        )
        previous = chained
    append_leaves(leaves)


def snapshot_hashes(content_hashes: Iterable[str]) -> list[bytes]:
    """Return the leaf hashes of a period's tree, whose entries ascend."""
    return [leaf_hash(bytes.fromhex(text)) for text in sorted(content_hashes)]


def entries_of(competition: Competition) -> LogLeafQuerySet:
    """Return the leaves of a competition's closed periods, as they are chained."""
    return LogLeaf.objects.filter(
        kind=LogLeaf.Kind.PERIOD, competition=competition.pk
    ).order_by("pk")


def entries_within(
    competition: Competition, period: Period
) -> list[tuple[LogLeaf, Mapping[str, str]]]:
    """Return leaves, with what they say, of periods that lie in another; in order."""
    start, end = iso_z(period.start), iso_z(period.end)
    first = f"{competition.pk}:{start}"
    leaves = entries_of(competition).filter(
        key__gte=first, key__lt=f"{competition.pk}:{end}"
    )
    found = [(leaf, json.loads(leaf.text)) for leaf in leaves]
    return [
        (leaf, body)
        for leaf, body in found
        if start <= body["period_start"] and body["period_end"] <= end
    ]


def _newest_root(competition: Competition) -> str | None:
    newest = entries_of(competition).last()
    return json.loads(newest.text)["chained_root"] if newest else None
