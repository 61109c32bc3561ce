"""Run a score cycle: due rounds -> truth -> scores, then snapshots and leaderboard.

Snapshots are computed only from stored scores, and the next cycle computes them again
if this one was stopped before.
"""

from dataclasses import dataclass, replace

import structlog
from django.db import transaction

from competitions.callables.guarded_calls import GuardedCalls, Outcomes
from competitions.models import Competition
from competitions.slots import Wiring
from competitions.tape_ends import Gaps
from competitions.wiring import wiring_of
from core import clock
from core.grid import following, is_astray
from scoring import locks
from scoring.board import leaderboard
from scoring.books import advance_books
from scoring.due_rounds import Tally, not_closed, score_due
from scoring.snapshots import snapshots
from scoring.truth import recovery

log = structlog.get_logger(__name__)

# Clocks of two workers may differ by this much without consequence.
SKEW_S = 60


@dataclass(frozen=True)
class CycleReport(Tally):
    """The numbers of a cycle, and whether it rebuilt the standings."""

    rebuilt: bool = False


def claim_due() -> list[int]:
    """Return the competitions whose next cycle is due, each to one caller only.

    One statement when nothing is due. Paused and ended ones are scored too.
    """
    now = clock.now()
    waiting = Competition.objects.filter(next_score_at__isnull=False).values_list(
        "pk", "next_score_at", "score_interval_s"
    )
    return [
        pk
        for pk, at, interval_s in waiting
        if at is not None
        and (at <= now or is_astray(at, now=now, interval_s=interval_s + SKEW_S))
        and Competition.objects.filter(pk=pk, next_score_at=at).update(
            next_score_at=following(now, interval_s)
        )
    ]


def run_cycle(*, competition_id: int) -> CycleReport:
    """Score all due rounds of a competition and update its standings.

    Safe to run twice and in many workers: they divide the due rounds, and no round is
    scored twice. The number of statements depends neither on the number of models nor
    on the rounds of a batch.
    """
    competition = Competition.objects.get(pk=competition_id)
    wiring = wiring_of(competition)
    outcomes = Outcomes()
    tally, holes = score_due(
        competition=competition, wiring=wiring, outcomes=outcomes, gaps=Gaps.LOOK
    )
    if holes:
        gaps = Gaps.FINAL if recovery.fill(holes) else Gaps.PROVIDER_DOWN
        later, _ = score_due(
            competition=competition,
            wiring=wiring,
            outcomes=outcomes,
            gaps=gaps,
            asked_about=holes,
        )
        tally = replace(tally, waiting=0) + later  # who waited was looked at again
    _note_scorer(wiring, tally, outcomes)
    outcomes.keep(competition)
    is_rebuilt = bool(tally.resolved) or leaderboard.is_behind(competition, clock.now())
    if is_rebuilt:
        _sum_up(competition, wiring, has_new_scores=bool(tally.resolved))
    report = CycleReport(**vars(tally), rebuilt=is_rebuilt)
    if report.resolved or report.unresolvable:
        log.info("cycle.done", competition=competition.slug, **vars(report))
    return report


def _note_scorer(wiring: Wiring, report: Tally, outcomes: Outcomes) -> None:
    """Report the scorer as failing if it scored none of a cycle's predictions."""
    name, path = "SCORING_FUNCTION", wiring.paths["SCORING_FUNCTION"]
    if wiring.config.batch_scoring_function:
        path = "contract:batch_scoring_function"
    if report.scored:
        outcomes.worked(name)
    elif report.failed:
        outcomes.failed(name, path, report.failure)


def _sum_up(competition: Competition, wiring: Wiring, *, has_new_scores: bool) -> None:
    """Rebuild open snapshots and the newest board from what is stored.

    The operator's callables are called before the lock is taken and after it is
    released, so that one that hangs delays nobody else.
    """
    guarded = GuardedCalls(competition)
    snapshots.rehearse(competition=competition, wiring=wiring, guarded=guarded)
    with transaction.atomic():
        locks.lock_exclusive(competition.pk)
        now = not_closed(competition, clock.now())
        if has_new_scores:  # else there is no snapshot to hold the accounts' figures
            advance_books.advance(
                competition=competition,
                wiring=wiring,
                now=now,
                period_start=snapshots.period_at(competition, now).start,
            )
        snapshots.refresh(
            competition=competition, wiring=wiring, now=now, guarded=guarded.sealed()
        )
    leaderboard.publish(
        competition=competition, wiring=wiring, now=now, guarded=guarded
    )
