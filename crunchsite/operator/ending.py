"""End a competition: score its open rounds, pay a last time, set ENDED."""

from datetime import datetime

import structlog
from django.db import transaction

from competitions.models import Competition, Round
from competitions.tournament.round_ends import void_unscored
from core import clock
from core.errors import OperatorError
from core.facts import Fact, FactKind, announce
from core.grid import Period
from core.texts import counted
from emissions import checkpoints
from scoring.cycle import run_cycle
from scoring.models import Snapshot
from scoring.snapshots import snapshots

log = structlog.get_logger(__name__)


def finish_all() -> None:
    """Advance every competition that is ending as far as possible now."""
    for competition in Competition.objects.filter(
        ending_at__isnull=False, status=Competition.Status.PAUSED
    ):
        try:
            if what := finish(competition=competition):
                log.info("ending.waits", competition=competition.slug, what=what)
        except Exception as error:  # one that fails must not stop the others
            log.exception(
                "ending.failed", competition=competition.slug, error=str(error)
            )


def finish(*, competition: Competition) -> str:
    """End a competition if possible now, else return what it waits for.

    Its last scores come before its last checkpoint, which ends with the snapshot period
    of those scores, so it is made within one such period. Safe to repeat.
    """
    void_unscored(competition=competition)
    run_cycle(competition_id=competition.pk)
    open_rounds = Round.objects.filter(
        competition=competition, status=Round.Status.RECEIVED
    ).count()
    if open_rounds:
        return f"{counted(open_rounds, 'round')} not scored yet"
    now = clock.now()
    if until := _open_until(competition):
        if until > now:
            return f"the last snapshot period ends at {until:%Y-%m-%d %H:%M} UTC"
        run_cycle(competition_id=competition.pk)  # closes it
    if competition.emission_interval_s:
        try:
            _pay_the_rest(competition)
        except OperatorError as error:
            return f"the last checkpoint is refused: {error}"
        if checkpoints.next_period(competition=competition):
            return "the last period was corrected meanwhile, and is ranked again"
    with transaction.atomic():
        if Competition.objects.filter(
            pk=competition.pk, status=Competition.Status.PAUSED, ending_at__isnull=False
        ).update(status=Competition.Status.ENDED):
            announce(Fact(FactKind.COMPETITION_ENDED, competition.pk))
    log.info("competition.ended", competition=competition.slug)
    return ""


def _open_until(competition: Competition) -> datetime | None:
    """Return when the last snapshot period that is not closed ends."""
    return (
        Snapshot.objects.filter(model__competition=competition, is_closed=False)
        .order_by("-period_end")
        .values_list("period_end", flat=True)
        .first()
    )


def _pay_the_rest(competition: Competition) -> None:
    """Pay whole periods, and the last one up to the end of its last snapshot."""
    checkpoints.close_due_of(competition=competition, now=clock.now())
    rest = checkpoints.next_period(competition=competition)
    closed_end = snapshots.last_closed_end(competition)
    if rest and closed_end and rest.start < closed_end:
        # A whole one is left if it was corrected while it was ranked: it stays one.
        period = Period(rest.start, min(rest.end, closed_end))
        checkpoints.close(competition=competition, period=period)
