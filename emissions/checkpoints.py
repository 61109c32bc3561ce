"""Make checkpoints: rank the models by their results in a period that is over, and pay.

The ranking figure is the leaderboard's, over exactly the period: the mean of its
snapshots weighted by their scores, or the sum of what an account gained. A model that
scored in less than the contract's `min_paid_coverage` of the rounds that were due is
not paid, and the checkpoint says so. Nothing is paid without the crunch's key.

Periods lie on the grid of multiples of `emission_interval_s` since the epoch. The first
is the one in which the competition was activated, so it may have been partly idle. A
period without a single snapshot gets no checkpoint; the next one with snapshots
follows, and the time between is kept with the reason. A period in which nobody scored,
such as a day that was declared void, gets one that pays the providers and no cruncher.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Min

from competitions.callables.guarded_calls import GuardedCalls
from competitions.models import Competition
from competitions.slots import Wiring
from competitions.wiring import wiring_of
from core import clock
from core.errors import OperatorError
from core.facts import Fact, FactKind, announce
from core.grid import Period, floor, following
from core.tlog.merkle import root_of
from emissions import ledger
from emissions.builder import build_emission
from emissions.checkpoint_leaves import log_checkpoint, period_hashes
from emissions.models import Checkpoint, IdleStretch
from emissions.payees import Payees, payees_of
from emissions.strategies import EmissionCheckpoint
from scoring import locks
from scoring.corrections import Newest, newest
from scoring.models import Snapshot
from scoring.snapshots import snapshots

log = structlog.get_logger(__name__)

IDLE = "No round was scored or due: there is no snapshot of this time."


def close_due(*, now: datetime) -> list[Checkpoint]:
    """Close every period that is over, of all competitions; return the checkpoints.

    A competition that fails is logged, is tried again by the next call, and stops no
    other.
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
    while checkpoint := close_next_of(competition=competition, now=now):
        made.append(checkpoint)
    return made


def close_next_of(
    *,
    competition: Competition,
    now: datetime,
    in_trail: Callable[[Checkpoint], None] | None = None,
) -> Checkpoint | None:
    """Close the oldest period that is over; None if none is, or another makes it."""
    period = next_period(competition=competition)
    if period and period.end <= now:
        return close(competition=competition, period=period, in_trail=in_trail)
    return None


def next_period(*, competition: Competition) -> Period | None:
    """Return the earliest period with a snapshot and no checkpoint, or None."""
    length_s = competition.emission_interval_s
    since = _paid_until(competition)
    first = Snapshot.objects.filter(
        model__competition=competition, period_end__gt=since
    ).aggregate(at=Min("period_start"))["at"]
    if first is None:
        return None
    start = max(since, floor(first, length_s))
    return Period(start, following(start, length_s))


def _made(
    competition: Competition,
    period: Period,
    *,
    wiring: Wiring,
    payees: Payees,
    emission: EmissionCheckpoint,
    guarded: GuardedCalls,
) -> Checkpoint:
    """Store a checkpoint, what it makes due, and the idle time before it."""
    now, config = clock.now(), wiring.config
    rule = config.emission
    _keep_idle(competition, before=period.start, now=now)
    challenge = timedelta(seconds=rule.challenge_s)
    periods = period_hashes(competition, period)
    checkpoint = Checkpoint.objects.create(
        competition=competition,
        period_start=period.start,
        period_end=period.end,
        entries=[emission.model_dump()],
        meta={
            "snapshot_count": sum(e["snapshot_count"] for e in payees.ranking),
            "model_count": len(payees.ranking),
            "ranking": payees.ranking,
            "unpaid": payees.unpaid,
            "rounds_asked": payees.rounds_asked,
            "rule": rule.model_dump(mode="json"),
            "ranking_direction": config.aggregation.ranking_direction,
            "min_paid_coverage": config.min_paid_coverage,
            **({"stand_ins": guarded.failed} if guarded.failed else {}),
        },
        merkle_root=root_of(periods).hex(),
        created_at=now,
        challenge_ends_at=now + challenge if challenge else None,
        needs_two=rule.needs_two,
    )
    due = ledger.owe(checkpoint)
    log_checkpoint(checkpoint, wiring, periods, due)
    return checkpoint


def _paid_until(competition: Competition) -> datetime:
    """Return the end of the last checkpoint, else the start of the first period."""
    activated_at = competition.activated_at
    assert activated_at is not None  # callers choose only activated competitions
    last = Checkpoint.objects.filter(competition=competition).first()
    if last is not None:
        return last.period_end
    return floor(activated_at, competition.emission_interval_s)


def close(
    *,
    competition: Competition,
    period: Period,
    in_trail: Callable[[Checkpoint], None] | None = None,
) -> Checkpoint | None:
    """Rank and pay one period; None if it is paid already or was corrected meanwhile.

    Snapshots up to now are closed first, under the lock that excludes scoring, so the
    ranking includes everything that was scored before the period's end. The contract's
    builder is called without a lock; its emission is used only if nothing was corrected
    and nobody excluded or readmitted in between. `in_trail` writes who asked for it, in
    the transaction that makes it.
    """
    wiring = wiring_of(competition)
    guarded = GuardedCalls(competition)
    snapshots.rehearse(competition=competition, wiring=wiring, guarded=guarded)
    with transaction.atomic():
        locks.lock_exclusive(competition.pk)
        if _is_paid(competition, period):
            return None
        snapshots.refresh(
            competition=competition,
            wiring=wiring,
            now=clock.now(),
            guarded=guarded.sealed(),
        )
        before = decided(competition)
    payees = payees_of(
        competition=competition, wiring=wiring, period=period, guarded=guarded
    )
    emission = build_emission(
        competition=competition, wiring=wiring, ranking=payees.ranking, guarded=guarded
    )
    try:
        with transaction.atomic():
            locks.lock_exclusive(competition.pk)
            if decided(competition) != before or _is_paid(competition, period):
                return None
            checkpoint = _made(
                competition,
                period,
                wiring=wiring,
                payees=payees,
                emission=emission,
                guarded=guarded,
            )
            if in_trail is not None:
                in_trail(checkpoint)
            announce(
                Fact(
                    FactKind.CHECKPOINT_MADE,
                    competition.pk,
                    {
                        "checkpoint": str(checkpoint),
                        "period_start": period.start.isoformat(),
                        "period_end": period.end.isoformat(),
                        "models": len(payees.ranking),
                    },
                )
            )
    except IntegrityError:  # the periods-disjoint constraint: another node was first
        return None
    log.info(
        "checkpoint.made",
        competition=competition.slug,
        period_start=period.start.isoformat(),
        period_end=period.end.isoformat(),
        models=len(payees.ranking),
    )
    return checkpoint


def _keep_idle(competition: Competition, *, before: datetime, now: datetime) -> None:
    """Keep why the periods between the last checkpoint and this one got none."""
    since = _paid_until(competition)
    if since < before:
        IdleStretch.objects.get_or_create(
            competition=competition,
            start_at=since,
            defaults={"end_at": before, "reason": IDLE, "created_at": now},
        )


def decided(competition: Competition) -> tuple[Newest, set[int]]:
    """Return what operators have decided: the last corrections, who is excluded."""
    excluded = competition.models.filter(excluded_at__isnull=False)
    return newest(competition.pk), set(excluded.values_list("pk", flat=True))


def _is_paid(competition: Competition, period: Period) -> bool:
    return Checkpoint.objects.filter(
        competition=competition,
        period_end__gt=period.start,
        period_start__lt=period.end,
    ).exists()
