"""Show the state of a competition: last round, next slot, feed, models."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q

from competitions.models import (
    Competition,
    ParticipantModel,
    Prediction,
    Round,
    ScheduledPrediction,
)
from competitions.models.participants import QUARANTINED
from feeds.models import FeedIngestionState
from feeds.tape.records import span


@dataclass(frozen=True)
class Question:
    """A scheduled prediction in words."""

    subject: str
    horizon_s: int
    interval_s: int


@dataclass(frozen=True)
class CompetitionStatus:
    last_round: Round | None
    answered: int
    asked: int
    next_slot_at: datetime | None
    feed_at: datetime | None
    running: int
    models: int
    quarantined: int
    questions: list[Question]
    first_scores_at: datetime | None


def status_of(
    competition: Competition, *, feeds: list[FeedIngestionState], is_scored: bool
) -> CompetitionStatus:
    """Return the state in five statements, whatever the size of the competition."""
    last_round = (
        Round.objects.filter(competition=competition, performed_at__isnull=False)
        .only("slot_at", "status")
        .first()
    )
    outcomes = (
        Prediction.objects.filter(round=last_round, model__is_virtual=False).aggregate(
            asked=Count("pk"), answered=Count("pk", filter=Q(outcome="ANSWERED"))
        )
        if last_round
        else {"asked": 0, "answered": 0}
    )
    schedule = list(competition.scheduled_predictions.filter(active=True))
    roster = (
        ParticipantModel.objects.real()
        .filter(competition=competition)
        .aggregate(
            models=Count("pk", filter=~Q(state="STOPPED")),
            running=Count("pk", filter=Q(state="RUNNING")),
            quarantined=Count("pk", filter=QUARANTINED),
        )
    )
    slots = [s.next_slot_at for s in schedule if s.next_slot_at]
    return CompetitionStatus(
        last_round=last_round,
        **outcomes,
        **roster,
        next_slot_at=min(slots, default=None),
        feed_at=feed_at(competition, feeds),
        questions=[_question(s) for s in schedule],
        first_scores_at=None if is_scored else _first_scores_at(competition, schedule),
    )


def _question(scheduled: ScheduledPrediction) -> Question:
    return Question(
        subject=scheduled.subject or scheduled.scope_key,
        horizon_s=scheduled.resolve_horizon_s,
        interval_s=scheduled.prediction_interval_s,
    )


def feed_at(
    competition: Competition, feeds: list[FeedIngestionState]
) -> datetime | None:
    """Return up to when the competition's market data are on the tape."""
    newest = max(
        (
            feed.last_event_ts
            for feed in feeds
            if feed.last_event_ts
            and (feed.source, feed.kind, feed.granularity)
            == (
                competition.feed_source,
                competition.feed_kind,
                competition.feed_granularity,
            )
        ),
        default=None,
    )
    if newest is None:
        return None
    return newest + span(competition.feed_kind, competition.feed_granularity)


def _first_scores_at(
    competition: Competition, schedule: list[ScheduledPrediction]
) -> datetime | None:
    """Return when the first scores are possible: with the oldest round that waits."""
    waits = [s.next_slot_at + s.horizon for s in schedule if s.next_slot_at is not None]
    asked = Round.objects.filter(
        competition=competition,
        status=Round.Status.RECEIVED,
        performed_at__isnull=False,
    )
    if oldest := asked.aggregate(at=Min("resolvable_at"))["at"]:
        waits.append(oldest)
    if not waits:
        return None
    return min(waits) + timedelta(seconds=competition.score_interval_s)
