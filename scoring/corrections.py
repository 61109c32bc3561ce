"""Corrections by an operator: rescoring closed periods, and voiding stretches of time.

Nothing is overwritten. A rescoring appends scores of a new version; both kinds add new
revisions of the closed snapshots they touch, and the newest board follows. A preview
does the very same work and rolls it back, so it shows exactly what would happen.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import OperationalError, connection, transaction
from django.db.models import Max, Min
from psycopg2.errors import LockNotAvailable
from pydantic import ValidationError

from competitions.callables.guarded_calls import GuardedCalls
from competitions.errors import CompetitionError
from competitions.models import Competition, Round
from competitions.slots import Wiring
from competitions.wiring import wiring_of
from core import clock
from core.facts import Fact, FactKind, announce
from core.grid import Period
from core.misfits import first_misfit
from core.texts import one_line, readable
from scoring import due_rounds, locks
from scoring.board import leaderboard
from scoring.board.standings import standings
from scoring.books.replay_books import replay_accounts
from scoring.models import Rescoring, Snapshot, VoidWindow
from scoring.moves import Move, moves_between
from scoring.scores.score_rounds import score_answers, truths_of
from scoring.scores.store import copy_scores, current_version
from scoring.snapshots import snapshots
from scoring.snapshots.closed_periods import closed_periods, closed_periods_of
from scoring.truth.round_outcomes import void_rounds

log = structlog.get_logger(__name__)


class CorrectionError(CompetitionError):
    """A correction that cannot be made as requested."""

    code = "correction_refused"
    status = 409


@dataclass(frozen=True)
class Correction:
    """What a correction did, or would do: rounds, scores, snapshots, moves."""

    rounds: int
    scores: int
    snapshots: int
    moves: list[Move]


# The newest rescoring and void window of a competition, by id; 0 is none.
Newest = tuple[int, int]


def newest(competition_id: int) -> Newest:
    """Return the last corrections: read them before a preview, and apply `on` them."""
    rescoring, window = (
        model.objects.filter(competition=competition_id).aggregate(Max("pk"))["pk__max"]
        for model in (Rescoring, VoidWindow)
    )
    return rescoring or 0, window or 0


def rescore(
    *,
    competition_id: int,
    start: datetime,
    end: datetime,
    reason: str,
    author: str,
    preview: bool = False,
    on: Newest | None = None,
) -> Correction:
    """Score the closed periods inside `[start, end)` again with the present scorer.

    Raises CorrectionError when there is none, the reason or author is missing, or
    something was corrected since `on`.
    """
    reason, author = _stated(reason, author)

    def work(competition: Competition, wiring: Wiring, now: datetime) -> list[int]:
        periods = closed_periods(
            competition, period_start__gte=start, period_end__lte=end
        )
        if not periods:
            raise CorrectionError(
                f"no closed snapshot period lies inside [{start}, {end}); give whole "
                f"periods of {competition.snapshot_period_s} s that are over."
            )
        version = current_version(competition) + 1
        rescoring = Rescoring.objects.create(
            competition=competition,
            scoring_version=version,
            period_start=periods[0].start,
            period_end=periods[-1].end,
            reason=reason,
            author=author,
            created_at=now,
        )
        counts = [_rescore_period(competition, wiring, p, version) for p in periods]
        periods = _replay_books(competition, wiring, periods[0].start, now, periods)
        snapshots.revise(
            competition=competition, wiring=wiring, periods=periods, now=now
        )
        announce(_fact("rescored", competition, start, end, reason))
        _log_on_commit("rescoring.done", rescoring=rescoring.pk, version=version)
        return [sum(column) for column in zip(*counts, strict=True)]

    return _correct(competition_id, work, preview=preview, on=on)


def void(
    *,
    competition_id: int,
    start: datetime,
    end: datetime,
    reason: str,
    author: str,
    scope_key: str = "",
    preview: bool = False,
    on: Newest | None = None,
) -> Correction:
    """Take slots in `[start, end)`, of one scope or all, out of the scores.

    Rounds inside become VOID with the reason, those still to come when they are due.
    Raises CorrectionError for an empty window, without a reason or author, or when
    something was corrected since `on`.
    """
    reason, author = _stated(reason, author)
    if start >= end:
        raise CorrectionError(f"the window was [{start}, {end}); it must not be empty.")

    def work(competition: Competition, wiring: Wiring, now: datetime) -> list[int]:
        window = VoidWindow.objects.create(
            competition=competition,
            scope_key=scope_key,
            start_at=start,
            end_at=end,
            reason=reason,
            author=author,
            created_at=now,
        )
        rounds = Round.objects.filter(
            window.rounds, competition=competition, performed_at__isnull=False
        ).exclude(status=Round.Status.VOID)
        touched = closed_periods_of(competition, rounds)
        first_order = rounds.aggregate(at=Min("performed_at"))["at"]
        count = void_rounds(rounds, window.round_reason)
        touched = _replay_books(competition, wiring, first_order or now, now, touched)
        snapshots.revise(
            competition=competition, wiring=wiring, periods=touched, now=now
        )
        announce(_fact("voided", competition, start, end, reason))
        _log_on_commit("window.voided", window=window.pk, rounds=count)
        return [count, 0]

    return _correct(competition_id, work, preview=preview, on=on)


def _replay_books(
    competition: Competition,
    wiring: Wiring,
    since: datetime,
    now: datetime,
    periods: list[Period],
) -> list[Period]:
    """Play accounts again; return `periods` and the closed ones that this changed."""
    starts = replay_accounts(
        competition=competition, wiring=wiring, since=since, now=now
    )
    closed = closed_periods(competition) if starts else []
    changed = [period for period in closed if period.start in starts]
    return sorted({*periods, *changed}, key=lambda period: period.start)


def _stated(reason: str, author: str) -> tuple[str, str]:
    """Return reason and author as stored; raises CorrectionError if one is missing."""
    reason, author = readable(reason.strip()), one_line(author.strip(), limit=150)
    if not (reason and author):
        raise CorrectionError("a correction needs a reason and an author.")
    return reason, author


def _fact(
    what: str, competition: Competition, start: datetime, end: datetime, reason: str
) -> Fact:
    """Return the fact that earlier reports of the range are no longer valid."""
    stretch = {"start": start.isoformat(), "end": end.isoformat()}
    payload = {"what": what, **stretch, "reason": reason}
    return Fact(FactKind.RULE_CHANGED, competition.pk, payload)


def _own(competition: Competition) -> None:
    try:
        locks.lock_exclusive(competition.pk)
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        raise CorrectionError(
            f"{competition} is being scored and did not come free; try again."
        ) from error


def _log_on_commit(event: str, **facts: Any) -> None:
    """Log what was done once it is committed; a preview is rolled back."""
    transaction.on_commit(lambda: log.info(event, **facts))


@transaction.atomic
def _correct(
    competition_id: int,
    work: Callable[[Competition, Wiring, datetime], Sequence[int]],
    *,
    preview: bool,
    on: Newest | None,
) -> Correction:
    """Do the work under the lock and compare the boards before and after it."""
    competition = Competition.objects.get(pk=competition_id)
    wiring = wiring_of(competition)
    _own(competition)
    if on is not None and on != newest(competition.pk):
        raise CorrectionError(
            f"{competition} was corrected after the preview; preview it again."
        )
    now = clock.now()
    as_of = now + timedelta.resolution
    # Asked under the lock, unlike in a cycle: only here do the corrected rows exist.
    facts: Any = {
        "competition": competition,
        "wiring": wiring,
        "guarded": GuardedCalls(competition),
    }
    snapshots.refresh(**facts, now=now)
    before = standings(**facts, as_of=as_of)
    rounds, scores = work(competition, wiring, now)
    snapshots.refresh(**facts, now=now)
    after = standings(**facts, as_of=as_of)
    revised = Snapshot.objects.filter(model__competition=competition, superseded_at=now)
    correction = Correction(
        rounds, scores, revised.count(), moves_between(before, after)
    )
    if preview:
        transaction.set_rollback(True)
        return correction
    Rescoring.objects.filter(competition=competition, created_at=now).update(
        summary=asdict(correction)
    )
    leaderboard.publish(**facts, now=now)
    return correction


def _rescore_period(
    competition: Competition, wiring: Wiring, period: Period, version: int
) -> tuple[int, int]:
    """Append a new version of every score of the period; rounds and scores.

    In batches of as many predictions as a cycle's: a period may hold a day of rounds.
    """
    rounds = {
        round_.pk: round_
        for round_ in Round.objects.filter(competition=competition)
        .resolved_in(period)
        .only("resolved_at", "actuals")
    }
    try:
        truths = truths_of(rounds, wiring)
    except ValidationError as error:
        raise CorrectionError(
            f"a truth of {period.start:%Y-%m-%d %H:%M} does not fit the contract's "
            f"type any more: {first_misfit(error)}."
        ) from error
    scored_at = {pk: round_.resolved_at for pk, round_ in rounds.items()}
    keys, scored = list(rounds), 0
    size = 1 + due_rounds.PREDICTIONS_A_BATCH // max(competition.models.count(), 1)
    for first in range(0, len(keys), size):
        batch = {pk: truths[pk] for pk in keys[first : first + size]}
        with connection.cursor() as cursor:
            answers = score_answers(cursor=cursor, wiring=wiring, truths=batch)
            copy_scores(
                cursor,
                (
                    (a.prediction, a.model, version, a.score, scored_at[a.round])
                    for a in answers
                ),
            )
        scored += len(answers)
    return len(rounds), scored
