"""Turn due slots of the grid into rounds, once each; late slots become MISSED."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Exists, OuterRef, Q

from competitions.errors import DefinitionError
from competitions.models import (
    Competition,
    Round,
    ScheduledPrediction,
    TournamentRound,
)
from core import clock, grid

log = structlog.get_logger(__name__)

# After a long outage, missed slots are recorded in bounded passes.
MOST_SLOTS_A_PASS = 5_000
# How late, in real time, a round may always be asked.
GRACE_S = 10.0
# And for longer horizons: this share of the horizon, because a later question is
# easier.
LATEST_SHARE = 0.25


def tolerance(scheduled: ScheduledPrediction) -> timedelta:
    """Return how long after its slot a round may still be asked.

    Beyond GRACE_S never later than the next slot, whose round asks with newer data.
    """
    share = min(scheduled.horizon * LATEST_SHARE, scheduled.interval)
    return max(share, clock.wall_seconds(GRACE_S))


def dispatch() -> list[int]:
    """Make a round for every slot that is due; returns competitions to be asked.

    Five statements, however many slots; running twice at once makes no second round.
    """
    now = clock.now()
    due = list(ScheduledPrediction.objects.due(now).select_related("competition"))
    if due:
        rounds = [round_ for scheduled in due for round_ in _settle(scheduled, now)]
        Round.objects.bulk_create(rounds, ignore_conflicts=True, batch_size=1000)
        _revive(rounds, now)
        ScheduledPrediction.objects.bulk_update(due, ["starts_at", "next_slot_at"])
        missed = sum(r.status == Round.Status.MISSED for r in rounds)
        if missed:
            log.warning("slots.missed", count=missed)
    its = {"competition": OuterRef("pk")}
    return list(
        Competition.objects.active()
        .filter(
            Exists(Round.objects.to_ask(now).filter(**its))
            | Exists(TournamentRound.objects.to_ask().filter(**its))
        )
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def begin(scheduled: ScheduledPrediction, now: datetime) -> None:
    """Set a schedule's next slot by its grid, or to None if it does not run.

    Earlier slots do not count as missed. The caller saves the row.
    """
    following = grid.following(now, scheduled.prediction_interval_s)
    scheduled.starts_at = scheduled.next_slot_at = (
        following if scheduled.is_running else None
    )


def is_settled(scheduled: ScheduledPrediction, now: datetime) -> bool:
    """Return whether a schedule's next slot agrees with its interval and state."""
    slot_at, interval_s = scheduled.next_slot_at, scheduled.prediction_interval_s
    if slot_at is None or not scheduled.is_running:
        return slot_at is None and not scheduled.is_running
    return slot_at == grid.at_or_after(
        slot_at, interval_s
    ) and slot_at <= grid.following(now, interval_s)


def _settle(scheduled: ScheduledPrediction, now: datetime) -> Iterable[Round]:
    """Make rounds of the slots up to `now`; moves `next_slot_at` past them."""
    interval_s = scheduled.prediction_interval_s
    slot_at = scheduled.next_slot_at
    if slot_at is None or not scheduled.is_running:
        begin(scheduled, now)
        return
    has_begun = scheduled.starts_at is None or scheduled.starts_at <= now
    if grid.is_astray(slot_at, now=now, interval_s=interval_s):
        slot_at = now - scheduled.interval if has_begun else now
        slot_at += timedelta.resolution
    if has_begun and scheduled.starts_at is not None:
        slot_at = max(slot_at, scheduled.starts_at)
    slot_at = grid.at_or_after(slot_at, interval_s)
    for _ in range(MOST_SLOTS_A_PASS):
        if slot_at > now:
            break
        yield _round(scheduled, slot_at, now)
        slot_at += scheduled.interval
    scheduled.next_slot_at = slot_at


def _revive(rounds: Sequence[Round], now: datetime) -> None:
    """Reset rounds to RECEIVED that a clock ahead had recorded as MISSED."""
    fresh = [r for r in rounds if r.status == Round.Status.RECEIVED]
    if not fresh:
        return
    Round.objects.filter(
        scheduled_prediction__in={r.scheduled_prediction_id for r in fresh},
        slot_at__in={r.slot_at for r in fresh},
        status=Round.Status.MISSED,
        performed_at__isnull=True,
        received_at__gt=now,
    ).update(status=Round.Status.RECEIVED, reason="", received_at=now)


def _round(scheduled: ScheduledPrediction, slot_at: datetime, now: datetime) -> Round:
    late = now - slot_at
    is_missed = late > tolerance(scheduled)
    why = f"no worker was up; the slot came up {late.total_seconds():.0f} s late"
    return Round(
        competition=scheduled.competition,
        scheduled_prediction=scheduled,
        slot_at=slot_at,
        scope_key=scheduled.scope_key,
        received_at=now,
        status=Round.Status.MISSED if is_missed else Round.Status.RECEIVED,
        reason=why if is_missed else "",
    )


def reap() -> int:
    """Record as MISSED each round that waited too long for its models to be asked."""
    now = clock.now()
    asking = clock.wall_seconds(4 * settings.ENV.model_runner_timeout_s + GRACE_S)
    reaped = 0
    for scheduled in ScheduledPrediction.objects.filter(
        Q(rounds__status=Round.Status.RECEIVED, rounds__performed_at__isnull=True)
    ).distinct():
        reaped += (
            Round.objects.waiting()
            .filter(
                scheduled_prediction=scheduled,
                slot_at__lt=now - tolerance(scheduled) - asking,
            )
            .update(
                status=Round.Status.MISSED,
                reason="no worker asked the models in time",
            )
        )
    if reaped:
        log.warning("rounds.reaped", count=reaped)
    return reaped


def predict_now(*, competition_id: int) -> int:
    """Make a round for the current instant of each active schedule; returns how many.

    The instant is cut to whole seconds, so pressing twice asks once. The caller
    enqueues `competitions.predict`. Raises DefinitionError unless it is ACTIVE.
    """
    competition = Competition.objects.get(pk=competition_id)
    if competition.status != Competition.Status.ACTIVE:
        raise DefinitionError(
            f"{competition.slug} was {competition.status}; activate it first."
        )
    now = clock.now()
    slot_at = now.replace(microsecond=0)
    rounds = [
        _round(scheduled, slot_at, now)
        for scheduled in competition.scheduled_predictions.filter(active=True)
    ]
    Round.objects.bulk_create(rounds, ignore_conflicts=True)
    return len(rounds)
