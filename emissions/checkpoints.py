"""Checkpoints: a period that is over is ranked by what was done in it, and paid.

The ranking figure is the leaderboard's, over exactly the period: the mean of its
snapshots weighted by their scores (requirement S2-30). Whoever scored in less than the
contract's `min_paid_coverage` of the rounds that fell due is not paid, and the
checkpoint says so. Nothing is paid without the crunch's key.

Periods lie on the grid of multiples of `emission_interval_s` since the epoch. The
first is the one in which the competition was activated, so it may have been partly
idle. A period without a single snapshot gets no checkpoint; the next one with
snapshots follows. One in which nobody scored, such as a day that was declared void,
gets one that pays the providers and no cruncher.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Greatest

from competitions.callables.door import Door
from competitions.definition import key_of
from competitions.models import Competition, Round
from competitions.slots import Wiring
from competitions.wiring import wiring_of
from core import clock
from core.errors import OperatorError
from core.grid import floor, following
from emissions.errors import EmissionError
from emissions.models import Checkpoint
from emissions.strategies import EmissionCheckpoint, checked, tiers
from scoring import locks
from scoring.board import leaderboard
from scoring.board.leaderboard import Standing
from scoring.corrections import newest
from scoring.models import Snapshot
from scoring.snapshots import snapshots

log = structlog.get_logger(__name__)


def close_due(*, now: datetime) -> list[Checkpoint]:
    """Close every period that is over, of all competitions; returns what was made.

    A competition that fails is logged, tried again by the next call, stops no other.
    """
    made = []
    for competition in Competition.objects.filter(
        activated_at__isnull=False, emission_interval_s__gt=0
    ):
        try:
            made += close_due_of(competition=competition, now=now)
        except OperatorError as error:
            log.warning(
                "checkpoint.refused", competition=competition.slug, reason=str(error)
            )
        except Exception:
            log.exception("checkpoint.failed", competition=competition.slug)
    return made


def close_due_of(*, competition: Competition, now: datetime) -> list[Checkpoint]:
    """Close the periods of one competition that are over, oldest first."""
    made = []
    while (period := next_period(competition=competition)) and period[1] <= now:
        checkpoint = close(competition=competition, start=period[0], end=period[1])
        if checkpoint is None:  # somebody else made it
            break
        made.append(checkpoint)
    return made


def next_period(*, competition: Competition) -> tuple[datetime, datetime] | None:
    """The earliest period with a snapshot and no checkpoint; None if there is none."""
    activated_at = competition.activated_at
    assert activated_at is not None  # callers choose activated ones
    length_s = competition.emission_interval_s
    last = Checkpoint.objects.filter(competition=competition).first()
    since = last.period_end if last else floor(activated_at, length_s)
    first = Snapshot.objects.filter(
        model__competition=competition, period_end__gt=since
    ).aggregate(at=Min("period_start"))["at"]
    if first is None:
        return None
    start = max(since, floor(first, length_s))
    return start, following(start, length_s)


def close(
    *, competition: Competition, start: datetime, end: datetime
) -> Checkpoint | None:
    """Rank and pay one period; None if it was already, or was corrected meanwhile.

    Snapshots up to now are closed first, under the lock that keeps scoring away, so the
    ranking rests on everything that was scored before `end`. The contract's builder is
    called without a lock; what it says counts if nothing was corrected in between.
    """
    wiring = wiring_of(competition)
    door = Door(competition)
    snapshots.rehearse(competition=competition, wiring=wiring, door=door)
    with transaction.atomic():
        locks.own(competition.pk)
        if _is_paid(competition, start, end):
            return None
        snapshots.refresh(
            competition=competition,
            wiring=wiring,
            now=clock.now(),
            door=door.sealed(),
        )
        before = newest(competition.pk)
    ranking, unpaid, asked = ranking_of(
        competition=competition, wiring=wiring, start=start, end=end, door=door
    )
    emission = build_emission(
        competition=competition, wiring=wiring, ranking=ranking, door=door
    )
    try:
        with transaction.atomic():
            locks.own(competition.pk)
            if newest(competition.pk) != before or _is_paid(competition, start, end):
                return None
            checkpoint = Checkpoint.objects.create(
                competition=competition,
                period_start=start,
                period_end=end,
                entries=[emission.model_dump()],
                meta={
                    "snapshot_count": sum(entry["snapshot_count"] for entry in ranking),
                    "model_count": len(ranking),
                    "ranking": ranking,
                    "unpaid": unpaid,
                    "rounds_asked": asked,
                    "min_paid_coverage": wiring.config.min_paid_coverage,
                    **({"stand_ins": door.failed} if door.failed else {}),
                },
                created_at=clock.now(),
            )
    except IntegrityError:  # the periods-disjoint constraint: another node was first
        return None
    log.info(
        "checkpoint.made",
        competition=competition.slug,
        period_start=start.isoformat(),
        period_end=end.isoformat(),
        models=len(ranking),
    )
    return checkpoint


def _is_paid(competition: Competition, start: datetime, end: datetime) -> bool:
    return Checkpoint.objects.filter(
        competition=competition, period_end__gt=start, period_start__lt=end
    ).exists()


def ranking_of(
    *,
    competition: Competition,
    wiring: Wiring,
    start: datetime,
    end: datetime,
    door: Door | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """Whom a period pays, best first and ranked from 1; whom it does not, and why.

    Virtual models are in neither list; a model that scored nothing is in the second.
    The third is how many rounds the period asked.
    """
    rounds = _rounds(competition, start, end)
    counts = _counts(competition, start, end)
    asked = rounds.asked
    ranking: list[dict[str, Any]] = []
    unpaid: list[dict[str, Any]] = []
    for line in leaderboard.standings_of_period(
        competition=competition, wiring=wiring, start=start, end=end, door=door
    ):
        if line.model.is_virtual:
            continue
        snapshots_of_model, scored = counts.get(line.model.pk, (0, 0))
        entry = {
            "model_id": line.model.model_id,
            "model_name": line.model.name,
            "cruncher_name": line.model.cruncher_name,
            "cruncher_index": line.model.cruncher_index,
            "prediction_count": scored,
            "snapshot_count": snapshots_of_model,
            "coverage": round(scored / asked, 6) if asked else 0.0,
            "result_summary": dict(line.metrics),
        }
        if reason := _why_unpaid(line, scored, rounds, wiring):
            unpaid.append({**entry, "reason": reason})
        else:
            ranking.append({"rank": len(ranking) + 1, **entry})
    return ranking, unpaid, asked


@dataclass(frozen=True)
class _Rounds:
    """How many rounds a period asked; `are_left_over`: all were asked before it."""

    asked: int
    are_left_over: bool


def _rounds(competition: Competition, start: datetime, end: datetime) -> _Rounds:
    """The rounds whose end fell into `[start, end)`, void ones left out.

    One without a truth was asked, too: where most have none, the few others pay nobody.
    At least as many were asked as the snapshots know of.
    """
    is_due = Q(resolvable_at__gte=start, resolvable_at__lt=end)
    is_asked = Q(performed_at__gte=start, performed_at__lt=end)
    found = (
        Round.objects.filter(
            is_due | is_asked, competition=competition, performed_at__isnull=False
        )
        .exclude(status=Round.Status.VOID)
        .aggregate(
            due=Count("pk", filter=is_due),
            asked=Count("pk", filter=is_asked),
            horizon=Max(F("resolvable_at") - F("performed_at"), filter=is_due),
        )
    )
    in_snapshots = (
        _snapshots(competition, start, end)
        .values("period_start")
        .annotate(most=Max(Greatest("expected_count", "prediction_count")))
        .values_list("most", flat=True)
    )
    # A horizon as long as the period is no reason to call its rounds left over.
    return _Rounds(
        asked=max(found["due"], sum(in_snapshots)),
        are_left_over=found["due"] > 0
        and found["asked"] == 0
        and found["horizon"] < (end - start) / 2,
    )


def _snapshots(
    competition: Competition, start: datetime, end: datetime
) -> QuerySet[Snapshot]:
    return (
        Snapshot.objects.current()
        .filter(
            model__competition=competition, period_end__gt=start, period_end__lte=end
        )
        .order_by()
    )


def _counts(
    competition: Competition, start: datetime, end: datetime
) -> dict[int, tuple[int, int]]:
    """How many snapshots and scores there are, by model."""
    by_model = _snapshots(competition, start, end).values_list("model")
    return {
        model: (count, scored)
        for model, count, scored in by_model.annotate(
            Count("pk"), Sum("prediction_count")
        )
    }


def _why_unpaid(line: Standing, scored: int, rounds: _Rounds, wiring: Wiring) -> str:
    """The reason for a model's owner; empty if it is paid."""
    least = wiring.config.min_paid_coverage
    if not scored:
        return "it scored in no round of the period"
    if least and rounds.are_left_over:
        return "no round was asked in the period; its scores are of rounds before it"
    if scored < least * rounds.asked:
        return (
            f"it scored in {scored} of {rounds.asked} rounds; "
            f"{least:.0%} of them are needed to be paid"
        )
    if line.value is None:
        return "its ranking figure is unknown"
    return ""


def build_emission(
    *,
    competition: Competition,
    wiring: Wiring,
    ranking: Sequence[dict[str, Any]],
    door: Door,
) -> EmissionCheckpoint:
    """Rewards of a ranking by the contract's builder, else by tiers; checked.

    An empty ranking pays no cruncher, whatever the builder would make of it. What the
    competition's row says about keys and providers wins over the contract. Nothing
    stands in for a builder that fails: the period waits, and is paid once it works.
    Raises EmissionError without a key, CallableError for the builder.
    """
    config = wiring.config
    env = settings.ENV
    crunch_pubkey = key_of(competition, wiring)
    if not crunch_pubkey:
        raise EmissionError(
            f"{competition.slug} has no crunch key, and nobody can be paid without: "
            "give the competition its crunch pubkey, or set CRUNCH_PUBKEY; "
            "its closed periods are paid then."
        )
    builder = config.build_emission if ranking else None

    def build() -> Any:
        return (builder or tiers)(
            ranking,
            crunch_pubkey=crunch_pubkey,
            compute_provider=competition.compute_provider
            or config.compute_provider
            or env.compute_provider_pubkey,
            data_provider=competition.data_provider
            or config.data_provider
            or env.data_provider_pubkey,
        )

    def check(built: Any) -> EmissionCheckpoint:
        return checked(built, payable=[entry["cruncher_index"] for entry in ranking])

    if builder is None:
        return check(build())
    emission: EmissionCheckpoint = door.call(
        "build_emission", "contract:build_emission", build, check=check
    )
    return emission
