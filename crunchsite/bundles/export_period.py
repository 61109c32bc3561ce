"""Write one closed period of a competition as a bundle (docs/integrator/bundle.md).

Rows are read and written in parts of a fixed size, so memory depends on the number of
rounds alone, and on nothing that a round holds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, TypeVar

import numpy as np

from competitions.models import Cruncher, Round
from core.clock import iso_z
from core.tlog.merkle import HASH_BYTES, inclusion_proof
from core.tlog.tiles import WIDTH
from crunchsite.bundles import bundle_format as files
from crunchsite.bundles.bundle_format import BundleWriter
from crunchsite.bundles.bundled_rounds import PART, bundled_rounds, in_parts
from crunchsite.bundles.period_facts import ExportError, Kind, PeriodFacts, facts_of
from crunchsite.bundles.readme import README
from emissions.checkpoint_leaves import ledger_rows
from emissions.models import Checkpoint
from feeds.tape import reads
from feeds.tape.records import FeedKey, span
from proofs.key_changes import key_changes
from proofs.key_leaves import vkeys
from proofs.models import LogCheckpoint, LogLeaf, LogTile, Witness
from proofs.served_files import signed_head
from proofs.tree import StoredTree
from scoring.models import Snapshot
from scoring.snapshots.build_snapshots import snapshot_content

STRETCH = timedelta(hours=6)  # of the tape, at once
Row = dict[str, Any]
_T = TypeVar("_T")


@dataclass
class _Feed:
    """Records of a feed that truths come from: the span, and which were used."""

    first: datetime
    last: datetime
    is_own: bool = False  # the operator's code sees whole records
    used: set[datetime] = field(default_factory=set)


def export_period(
    checkpoint: Checkpoint, out: BinaryIO, *, of: int | None = None
) -> PeriodFacts:
    """Write the bundle of a checkpoint's period; returns what it holds.

    `of` is a cruncher's index: of other crunchers' answers and snapshots the bundle
    then has the hashes alone. The same facts make the same bytes. Raises ExportError
    when the log has not signed all of it, or there is no such cruncher.
    """
    facts = facts_of(checkpoint)
    competition = facts.checkpoint.competition
    shown: set[str] | None = None
    if of is not None:
        crunchers = Cruncher.objects.filter(competition=competition, cruncher_index=of)
        if not crunchers.exists():
            raise ExportError(f"{competition} has no cruncher of the index {of}.")
        models = competition.models.filter(cruncher__in=crunchers)
        shown = set(models.values_list("model_id", flat=True))
    feeds = _feeds(facts)
    bundle = BundleWriter(out)
    bundle.write(files.README, [README.encode()])
    bundle.write_rows(files.MANIFEST, [_manifest(facts, list(feeds), of)])
    bundle.write_rows(files.HEADS, _heads(facts))
    bundle.write(files.LEAVES, _leaf_hashes(facts))
    bundle.write_rows(files.ENTRIES, _entries(facts))
    bundle.write_rows(files.TAPE, _tape(feeds))
    bundle.write_rows(files.ROUNDS, bundled_rounds(facts, shown))
    bundle.write_rows(files.SNAPSHOTS, _snapshots(facts, shown))
    bundle.write_rows(files.CHECKPOINT, [_checkpoint(facts.checkpoint)])
    bundle.write_rows(files.LEDGER, ledger_rows(facts.ledger))
    bundle.close()
    return facts


def _manifest(facts: PeriodFacts, feeds: Sequence[FeedKey], of: int | None) -> Row:
    checkpoint, start = facts.checkpoint, facts.start
    tree = StoredTree([(start, start + 1)]).at(start + 1)
    before = inclusion_proof(start, start + 1, tree)
    keys = vkeys(below=facts.end)  # a later one would be in none of its entries
    return {
        "format": files.FORMAT,
        "version": files.VERSION,
        "competition": checkpoint.competition.slug,
        "checkpoint": str(checkpoint),
        "period_start": iso_z(checkpoint.period_start),
        "period_end": iso_z(checkpoint.period_end),
        "of": of,
        "origin": keys[0].name,
        "keys": [str(key) for key in keys],
        "witnesses": [
            {"owner": each.owner, "vkey": each.vkey} for each in Witness.objects.all()
        ],
        "start": start,
        "end": facts.end,
        "before": [node.hex() for node in reversed(before)],
        "feeds": [
            feed._asdict()
            | {"step_s": span(feed.kind, feed.granularity).total_seconds()}
            for feed in feeds
        ],
    }


def _heads(facts: PeriodFacts) -> Iterator[Row]:
    for part in in_parts(facts.heads):
        rows = LogCheckpoint.objects.filter(size__in=part).order_by("size")
        for head in rows.prefetch_related("cosignatures"):
            yield {"note": signed_head(head), "signed_at": iso_z(head.signed_at)}


def _leaf_hashes(facts: PeriodFacts) -> Iterator[bytes]:
    tiles = LogTile.objects.filter(
        level=0, index__gte=facts.start // WIDTH, index__lte=(facts.end - 1) // WIDTH
    ).order_by("index")
    for tile in tiles.iterator(chunk_size=PART):
        first = tile.index * WIDTH
        since, until = max(facts.start - first, 0), min(facts.end - first, WIDTH)
        yield bytes(tile.hashes)[since * HASH_BYTES : until * HASH_BYTES]


def _entries(facts: PeriodFacts) -> Iterator[Row]:
    """Yield entries in the order of the log; earlier ones come with their path.

    A new key comes with the head that the key before it has signed.
    """
    changes = {change.index: change for change in key_changes()}
    known = LogLeaf.objects.sealed().filter(index__lt=facts.end)
    more = known.filter(kind=Kind.KEY) | known.filter(
        kind=Kind.RULES, competition=facts.checkpoint.competition_id
    )
    indices = {*facts.indices, *more.values_list("index", flat=True)}
    wanted = sorted(index for index in indices if index is not None)
    for part in in_parts(wanted):
        old = [index for index in part if index < facts.start]
        read = StoredTree((index, facts.end) for index in old).at(facts.end)
        rows = known.filter(index__in=part).values_list("index", "entry")
        for index, entry in rows:
            row: Row = {"index": index, "entry": bytes(entry).decode()}
            if index is not None and index < facts.start:
                path = inclusion_proof(index, facts.end, read)
                row["path"] = [node.hex() for node in path]
            if change := changes.get(index or 0):
                row["vouched"] = {"note": change.note, "path": change.path}
            yield row


def _feeds(facts: PeriodFacts) -> dict[FeedKey, _Feed]:
    """Return the feeds whose records gave truths, as the rounds' provenance says."""
    found: dict[FeedKey, _Feed] = {}
    for part in in_parts(facts.rounds):
        for round_ in Round.objects.filter(pk__in=part).only(
            "provenance", "performed_at", "resolvable_at"
        ):
            origin = round_.provenance or {}
            first, last = round_.performed_at, round_.resolvable_at
            if "entry_closed_at" not in origin or first is None or last is None:
                continue
            key = FeedKey(*(origin[name] for name in FeedKey._fields))
            feed = found.setdefault(key, _Feed(first, last))
            feed.first, feed.last = min(feed.first, first), max(feed.last, last)
            feed.is_own |= origin["from"] != "tape"
            feed.used |= {
                datetime.fromisoformat(origin[name])
                for name in ("entry_closed_at", "resolved_closed_at")
            }
    return dict(sorted(found.items()))


def _tape(feeds: Mapping[FeedKey, _Feed]) -> Iterator[Row]:
    for number, (key, feed) in enumerate(feeds.items()):
        seen = -np.inf
        since = feed.first
        while since <= feed.last:
            until = min(since + STRETCH, feed.last)
            for closed_at, row in _records(key, feed, since, until):
                if closed_at > seen:
                    seen = closed_at
                    yield {"feed": number, **row}
            since = until + timedelta.resolution


def _records(
    key: FeedKey, feed: _Feed, since: datetime, until: datetime
) -> Iterator[tuple[float, Row]]:
    """Yield when a record closed; what it says follows where it gave a truth."""
    if feed.is_own:
        for record in reads.closed_records(key=key, since=since, until=until):
            at = record.closes_at
            yield at.timestamp(), {"closed_at": iso_z(at), "record": record.values}
        return
    found = reads.closed_prices(key=key, since=since, until=until)
    for seconds, price in zip(
        found.closed_at.tolist(), found.price.tolist(), strict=True
    ):
        at = datetime.fromtimestamp(seconds, UTC)
        row: Row = {"closed_at": iso_z(at)}
        if at in feed.used:
            row["price"] = price if np.isfinite(price) else None
        yield seconds, row


def _snapshots(facts: PeriodFacts, shown: set[str] | None) -> Iterator[Row]:
    for period, revision in facts.revisions.items():
        rows = Snapshot.objects.filter(
            model__competition=facts.checkpoint.competition_id,
            period_start=period.start,
            period_end=period.end,
            revision=revision,
        ).select_related("model")
        for snapshot in rows.order_by("model__model_id"):
            model = snapshot.model
            head: Row = {
                "revision": revision,
                "period_start": iso_z(period.start),
                "is_virtual": model.is_virtual,
            }
            if shown is not None and model.model_id not in shown:
                yield {**head, "hash": snapshot.content_hash}
                continue
            yield {**head, "content": snapshot_content(snapshot, model.model_id)}


def _checkpoint(checkpoint: Checkpoint) -> Row:
    submitted_at = checkpoint.submitted_at
    return {
        "checkpoint": str(checkpoint),
        "status": checkpoint.status,
        "tx_hash": checkpoint.tx_hash,
        "created_at": iso_z(checkpoint.created_at),
        "submitted_at": submitted_at and iso_z(submitted_at),
        "merkle_root": checkpoint.merkle_root,
        "emission": checkpoint.entries[0],
        "meta": checkpoint.meta,
    }
