"""Find what a bundle of one checkpoint holds: entries of the log, heads, rounds."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from competitions.models import Round
from core.clock import iso_z
from core.errors import OperatorError
from core.grid import Period
from emissions.models import Checkpoint, PayoutEntry
from proofs.models import Cosignature, LogCheckpoint, LogLeaf, LogLeafQuerySet
from scoring.models import Rescoring, VoidWindow
from scoring.scores.store import FIRST_VERSION
from scoring.snapshots.period_leaves import entries_within

Kind = LogLeaf.Kind


class ExportError(OperatorError):
    """A period that cannot be exported, or not yet."""

    code = "export_refused"
    status = 409


@dataclass(frozen=True)
class PeriodFacts:
    """What a checkpoint rests on, and where the log has it.

    `revisions` are the closed periods with the revision that was paid; `rounds` the
    resolved rounds' keys in the order in which they were asked; `indices` the places of
    all entries; `heads` the sizes of the signed heads that cover them.
    """

    checkpoint: Checkpoint
    ledger: list[PayoutEntry]
    revisions: dict[Period, int]
    rounds: list[int]
    indices: list[int]
    heads: list[int]
    scoring_version: int

    @property
    def start(self) -> int:
        """Return the first index from which the bundle has the log's hashes."""
        return self.indices[0]

    @property
    def end(self) -> int:
        """Return the size of the log of which the bundle tells."""
        return self.heads[-1]


def facts_of(checkpoint: Checkpoint) -> PeriodFacts:
    """Collect the facts; raises ExportError when the log has not all of them signed."""
    with transaction.atomic():
        checkpoint = Checkpoint.objects.select_for_update(of=("self",)).get(
            pk=checkpoint.pk
        )
        ledger = list(checkpoint.ledger.in_order())
        own = list(_entries_of(checkpoint))
    competition = checkpoint.competition
    period = Period(checkpoint.period_start, checkpoint.period_end)
    paid = next((leaf for leaf in own if leaf.kind == Kind.CHECKPOINT), None)
    if paid is None:
        raise ExportError(f"{checkpoint} was made before the log began.")
    cycles = [
        (leaf, body)
        for leaf, body in entries_within(competition, period)
        if leaf.pk < paid.pk
    ]
    revisions: dict[Period, int] = {}
    for _, body in cycles:
        span = Period(
            *(datetime.fromisoformat(body[k]) for k in ("period_start", "period_end"))
        )
        revisions[span] = max(int(body["revision"]), revisions.get(span, 0))
    rounds = _rounds(checkpoint, list(revisions))
    leaves = LogLeaf.objects.filter(
        kind=Kind.ROUND, competition=competition.pk, key__in=map(str, rounds)
    )
    found = [*own, *(leaf for leaf, _ in cycles)]
    places = [leaf.index for leaf in found] + list(
        leaves.values_list("index", flat=True)
    )
    indices = sorted(index for index in places if index is not None)
    if len(indices) != len(places):
        raise ExportError(
            f"the log has not signed all that {checkpoint} rests on; try again in a "
            "second, and see `coordinator doctor` if that does not help."
        )
    rescored = Rescoring.objects.filter(
        competition=competition, created_at__lte=checkpoint.created_at
    ).order_by("-scoring_version")
    return PeriodFacts(
        checkpoint=checkpoint,
        ledger=ledger,
        revisions=revisions,
        rounds=rounds,
        indices=indices,
        heads=_heads(indices),
        scoring_version=rescored.values_list("scoring_version", flat=True).first()
        or FIRST_VERSION,
    )


def _entries_of(checkpoint: Checkpoint) -> LogLeafQuerySet:
    """Return the entry of a checkpoint, and those of what pays it."""
    start, end = iso_z(checkpoint.period_start), iso_z(checkpoint.period_end)
    key = f"{checkpoint.competition_id}:{start}:{end}"
    leaves = LogLeaf.objects.defer("inner", "seed")
    made = leaves.filter(kind=Kind.CHECKPOINT, key=key)
    steps = leaves.filter(kind=Kind.SETTLEMENT, key__startswith=f"{checkpoint.pk}:")
    return made | steps


def _rounds(checkpoint: Checkpoint, periods: Iterable[Period]) -> list[int]:
    """Return the rounds that counted in the periods when the checkpoint was made."""
    voided = list(
        VoidWindow.objects.filter(
            competition=checkpoint.competition, created_at__lte=checkpoint.created_at
        )
    )
    status = Round.Status
    found: list[tuple[datetime, int]] = []
    for period in periods:
        rounds = Round.objects.filter(
            competition=checkpoint.competition,
            status__in=[status.RESOLVED, status.VOID],  # void since, it did count
            actuals__isnull=False,
            resolved_at__gte=period.start,
            resolved_at__lt=period.end,
        ).only("slot_at", "scope_key", "performed_at")
        found += [
            (round_.performed_at, round_.pk)
            for round_ in rounds.iterator()
            if round_.performed_at and not any(w.holds(round_) for w in voided)
        ]
    return [pk for _, pk in sorted(found)]


def _heads(indices: list[int]) -> list[int]:
    """Return for each entry the first head that covers it, and the first cosigned."""
    heads = (
        LogCheckpoint.objects.filter(size__gt=indices[0])
        .order_by("size")
        .annotate(is_cosigned=Exists(Cosignature.objects.filter(head=OuterRef("pk"))))
        .values_list("size", "is_cosigned")
    )
    sizes: list[int] = []
    cosigned: list[int] = []
    for size, is_cosigned in heads.iterator():
        if sizes and sizes[-1] > indices[-1] and not is_cosigned:
            continue
        sizes.append(size)
        if is_cosigned:
            cosigned.append(size)
            if size > indices[-1]:
                break
    chosen = set()
    for known in (sizes, cosigned):
        places = (bisect_right(known, index) for index in indices)
        chosen |= {known[place] for place in places if place < len(known)}
    return sorted(chosen)
