"""Create, activate, pause and end a competition."""

from collections.abc import Sequence
from typing import Any

import structlog
from django.db import IntegrityError, transaction

from competitions.callables.guarded_calls import CHECKS, forget_failure
from competitions.definition import missing_points, problems_of
from competitions.drafting import Draft, check_row, draft_competition
from competitions.errors import CompetitionExistsError, DefinitionError
from competitions.grid_dispatch import begin, is_settled
from competitions.kept_rules import keep_rules
from competitions.models import Competition, ScheduledPrediction
from competitions.round_feed import feed_of
from competitions.wiring import wiring_of
from core import clock
from core.errors import OperatorError
from core.facts import Fact, FactKind, announce
from feeds.models import FeedSubscription
from feeds.subscriptions import subscribe
from feeds.tape.records import FeedKey

log = structlog.get_logger(__name__)


@transaction.atomic
def create_competition(**definition: Any) -> Competition:
    """Create a DRAFT competition with its schedules; see `draft_competition`.

    Everything is checked before anything is written; raises CompetitionError, and
    FeedError for a feed that no provider serves.
    """
    slug = definition["slug"]
    if Competition.objects.filter(slug=slug).exists():
        raise _exists(slug)
    return store(draft_competition(**definition))


def _exists(slug: str) -> CompetitionExistsError:
    return CompetitionExistsError(
        f"there is a competition {slug} already; change it in the admin, or give "
        "the new one another slug."
    )


def store(draft: Draft) -> Competition:
    """Write a draft, in the caller's transaction; raises CompetitionError."""
    check_row(draft.competition)
    draft.competition.as_written = draft.values()
    try:
        with transaction.atomic():
            draft.competition.save()
    except IntegrityError:  # somebody else has just created it: a button pressed twice
        raise _exists(draft.competition.slug) from None
    for scheduled in draft.schedules:
        scheduled.competition = draft.competition  # it has its key by now
        check_row(scheduled)
        scheduled.save()
    return draft.competition


def begin_emissions(competition: Competition) -> bool:
    """Set the usual emission interval of a competition that has just received its key.

    Without a key it had none. Returns whether it was set; the caller saves the row.
    """
    if competition.emission_interval_s or not competition.crunch_pubkey:
        return False
    field = Competition._meta.get_field("emission_interval_s")  # noqa: SLF001  documented API
    competition.emission_interval_s = field.default
    return True


def activate(*, competition_id: int) -> Competition:
    """Let a competition run from the next slot of its grid; subscribe its feeds.

    Its callables are tried first. Raises DefinitionError naming every missing point,
    and FeedError for a feed that no provider serves. A running competition does not
    change; one that was ending runs on.
    """
    competition = Competition.objects.get(pk=competition_id)
    if competition.status == Competition.Status.ACTIVE:
        return competition
    if competition.status != Competition.Status.ENDED:
        _refuse(competition, problems_of(competition))
        forget_failure(competition, *CHECKS)
    return _activate(competition_id)


def _refuse(competition: Competition, problems: Sequence[str]) -> None:
    if problems:
        raise DefinitionError(
            f"{competition.slug} is not complete: {'; '.join(problems)}."
        )


@transaction.atomic
def _activate(competition_id: int) -> Competition:
    competition = Competition.objects.held().get(pk=competition_id)
    if competition.status == Competition.Status.ACTIVE:
        return competition
    if competition.status == Competition.Status.ENDED:
        raise DefinitionError(f"{competition.slug} was ENDED; it cannot run again.")
    _refuse(competition, missing_points(competition))  # it was edited since its trial
    now = clock.now()
    competition.status = Competition.Status.ACTIVE
    competition.activated_at = competition.activated_at or now
    competition.ending_at = None
    competition.next_score_at = now
    competition.save(
        update_fields=["status", "activated_at", "ending_at", "next_score_at"]
    )
    # Slots that passed while it was paused do not count as missed.
    competition.scheduled_predictions.update(next_slot_at=None)
    settle(competition_id=competition_id)
    keep_rules(competition_id=competition_id, reason="activated")
    announce(Fact(FactKind.COMPETITION_ACTIVATED, competition.pk))
    return competition


@transaction.atomic
def settle(*, competition_id: int) -> None:
    """Apply edits of a schedule: set the next slot of each one, subscribe its feed.

    A schedule that was added, restarted or given another interval begins at the next
    slot of its grid; a stopped one has no next slot. Safe to repeat. Raises FeedError
    for a feed that no provider serves.
    """
    now = clock.now()
    for scheduled in (
        ScheduledPrediction.objects.select_for_update(of=("self",), no_key=True)
        .filter(competition=competition_id)
        .select_related("competition")
    ):
        if scheduled.is_running:
            subscribe(_feed_of(scheduled))
        if not is_settled(scheduled, now):
            begin(scheduled, now)
            scheduled.save(update_fields=["starts_at", "next_slot_at"])


def subscribe_missing() -> int:
    """Subscribe the feeds of running schedules that have no subscription yet.

    A subscription that an operator has paused stays paused. A schedule whose feed
    cannot be known or served stops no other. Returns how many were made.
    """
    running = ScheduledPrediction.objects.filter(
        active=True, competition__status=Competition.Status.ACTIVE
    ).select_related("competition")
    seen, made = set[FeedKey](), 0
    for scheduled in running:
        try:
            key = _feed_of(scheduled)
            known = FeedSubscription.objects.filter(**key._asdict())
            if key not in seen and not known.exists():
                subscribe(key)
                made += 1
        except OperatorError as error:
            log.warning(
                "feed.not_subscribed",
                competition=scheduled.competition.slug,
                scope_key=scheduled.scope_key,
                error=str(error),
            )
        else:
            seen.add(key)
    return made


def _feed_of(scheduled: ScheduledPrediction) -> FeedKey:
    competition = scheduled.competition
    config = wiring_of(competition).config
    return feed_of(competition, scheduled.scope_template, config)


@transaction.atomic
def pause(*, competition_id: int) -> Competition:
    """Stop asking models; rounds that were asked are still scored."""
    competition = Competition.objects.held().get(pk=competition_id)
    if competition.status != Competition.Status.ACTIVE:
        raise DefinitionError(
            f"{competition.slug} was {competition.status}; only an ACTIVE one pauses."
        )
    return _stop_asking(competition)


@transaction.atomic
def end(*, competition_id: int) -> Competition:
    """Stop asking for good; rounds that were asked are still scored and paid.

    The site's ending task then sets ENDED; until it has, `activate` undoes this.
    """
    competition = Competition.objects.held().get(pk=competition_id)
    if competition.status == Competition.Status.DRAFT:
        raise DefinitionError(f"{competition.slug} was DRAFT; it has never run.")
    if competition.status == Competition.Status.ENDED or competition.ending_at:
        return competition
    competition.ending_at = clock.now()
    return _stop_asking(competition)


def _stop_asking(competition: Competition) -> Competition:
    competition.status = Competition.Status.PAUSED
    competition.save(update_fields=["status", "ending_at"])
    competition.scheduled_predictions.update(starts_at=None, next_slot_at=None)
    is_ending = competition.ending_at is not None
    announce(
        Fact(FactKind.COMPETITION_PAUSED, competition.pk, {"is_ending": is_ending})
    )
    return competition
