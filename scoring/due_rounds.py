"""Score due rounds, batch by batch: their truths, their scores, their end.

Each batch of rounds is one transaction, so whatever dies in the middle leaves whole
rounds, resolved with all their scores or still due.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import structlog
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from pydantic import BaseModel, ValidationError

from competitions.callables.guarded_calls import Outcomes
from competitions.models import Competition, ParticipantModel, Round
from competitions.slots import Wiring
from competitions.tape_ends import Gaps, Hole, Truth
from core import clock
from core.misfits import first_misfit
from core.texts import describe
from scoring import locks
from scoring.models import VoidWindow
from scoring.scores.score_rounds import score_answers
from scoring.scores.scorer import NewScore
from scoring.scores.store import copy_scores, current_version
from scoring.snapshots import snapshots
from scoring.truth.resolve import Resolution, is_own, resolve
from scoring.truth.resolver import Resolver
from scoring.truth.round_outcomes import end_rounds, note_late

log = structlog.get_logger(__name__)

# Bounds the memory and the duration of one transaction.
PREDICTIONS_A_BATCH = 100_000


@dataclass(frozen=True)
class Tally:
    """Counts of rounds by how they ended, and of their scores.

    `failure` is the reason of the first score that failed.
    """

    resolved: int = 0
    unresolvable: int = 0
    void: int = 0
    waiting: int = 0
    scored: int = 0
    failed: int = 0
    failure: str = ""

    @classmethod
    def of(cls, truths: Sequence[Truth], scores: Sequence[NewScore]) -> "Tally":
        """Count the rounds and scores of a batch."""
        failures = [score.failed_reason for score in scores if not score.success]
        return cls(
            resolved=sum(truth.actuals is not None for truth in truths),
            unresolvable=sum(
                bool(truth.reason) and not truth.is_void for truth in truths
            ),
            void=sum(truth.is_void for truth in truths),
            waiting=sum(truth.is_waiting for truth in truths),
            scored=len(scores) - len(failures),
            failed=len(failures),
            failure=failures[0] if failures else "",
        )

    def __add__(self, later: "Tally") -> "Tally":
        """Return the sums of both, and the first failure."""
        counts = {
            field.name: getattr(self, field.name) + getattr(later, field.name)
            for field in fields(Tally)
            if field.name != "failure"
        }
        return Tally(**counts, failure=self.failure or later.failure)


def score_due(
    *,
    competition: Competition,
    wiring: Wiring,
    outcomes: Outcomes,
    gaps: Gaps,
    asked_about: Sequence[Hole] | None = None,
) -> tuple[Tally, list[Hole]]:
    """Score all due rounds, batch by batch; also return what the tape lacks for them.

    With `Gaps.LOOK` rounds with missing records wait, so that the caller can have them
    fetched and pass again, with what was `asked_about`.
    """
    models = ParticipantModel.objects.filter(competition=competition).count()
    limit = 1 + PREDICTIONS_A_BATCH // max(models, 1)
    tally, holes = Tally(), list[Hole]()
    last: tuple[datetime, int] | None = None
    while True:
        resolver = Resolver(competition, outcomes)
        batch = _DueBatch(competition, wiring, limit, last, gaps, asked_about, resolver)
        if is_own(wiring):
            _ask_resolver(batch)
        resolver.is_sealed = True
        done = _score_batch(batch)
        tally += done.tally
        holes += done.holes
        if len(done.rounds) < limit:
            return tally, holes
        last = _place(done.rounds[-1])


def _place(round_: Round) -> tuple[datetime, int]:
    """Return a round's position among the due ones."""
    assert round_.resolvable_at is not None  # a due round has it
    return round_.resolvable_at, round_.pk


@dataclass(frozen=True)
class _DueBatch:
    """The next due rounds to score: at most `limit` of them after the place `after`."""

    competition: Competition
    wiring: Wiring
    limit: int
    after: tuple[datetime, int] | None
    gaps: Gaps
    asked_about: Sequence[Hole] | None
    resolver: Resolver

    def due(self, now: datetime) -> QuerySet[Round]:
        """Return those of them that are due, without a lock."""
        due = Round.objects.due(now).filter(competition=self.competition)
        if self.after is not None:
            # Waiting rounds stay due; the batches go past them, so that later rounds
            # are not blocked.
            at, pk = self.after
            due = due.filter(Q(resolvable_at__gt=at) | Q(resolvable_at=at, pk__gt=pk))
        return due.select_related("competition").defer(
            "raw_data", "model_input", "timing"
        )

    def resolve(self, rounds: Sequence[Round], now: datetime) -> Resolution:
        """Return how these rounds are resolved."""
        return resolve(
            competition=self.competition,
            wiring=self.wiring,
            rounds=rounds,
            now=now,
            gaps=self.gaps,
            asked_about=self.asked_about,
            resolver=self.resolver,
        )


@dataclass(frozen=True)
class _Done:
    """A batch that was scored, and the records missing for its waiting rounds."""

    rounds: list[Round]
    tally: Tally
    holes: list[Hole]


def _ask_resolver(batch: _DueBatch) -> None:
    """Call the operator's resolver for the rounds before any lock is taken."""
    now = clock.now()
    batch.resolve(list(batch.due(now)[: batch.limit]), now)


@transaction.atomic
def _score_batch(batch: _DueBatch) -> _Done:
    """Score the next due rounds that no other worker holds."""
    competition, wiring = batch.competition, batch.wiring
    locks.lock_shared(competition.pk)
    # The clock decides which rounds are due; `not_closed` keeps their end out of closed
    # periods.
    now = clock.now()
    ended_at = not_closed(competition, now)
    rounds = list(
        batch.due(now).select_for_update(skip_locked=True, of=("self",), no_key=True)[
            : batch.limit
        ]
    )
    if not rounds:
        return _Done([], Tally(), [])
    truths = _void_among(competition, rounds)
    others = [round_ for round_ in rounds if round_.pk not in truths]
    resolution = batch.resolve(others, now)
    truths |= {
        round_.pk: truth
        for round_, truth in zip(others, resolution.truths, strict=True)
    }
    typed = [_typed(truths[round_.pk], wiring) for round_ in rounds]
    ended = [truth for truth, _ in typed]
    known = {
        round_.pk: true
        for round_, (_, true) in zip(rounds, typed, strict=True)
        if true is not None
    }
    scores = _score_rounds(competition, wiring, known, ended_at)
    end_rounds(rounds, ended, ended_at)
    note_late(rounds, ended, now)
    return _Done(rounds, Tally.of(ended, scores), resolution.holes)


def _void_among(competition: Competition, rounds: Sequence[Round]) -> dict[int, Truth]:
    """Return the outcome of rounds that an operator has voided, by their key."""
    slots = [round_.slot_at for round_ in rounds]
    windows = VoidWindow.objects.filter(
        competition=competition, start_at__lte=max(slots), end_at__gt=min(slots)
    )
    return {
        round_.pk: Truth(reason=window.round_reason, is_void=True)
        for window in windows
        for round_ in rounds
        if window.holds(round_)
    }


def not_closed(competition: Competition, now: datetime) -> datetime:
    """Return `now`, but never an instant inside a closed period."""
    closed = snapshots.last_closed_end(competition)
    return max(now, closed) if closed else now


def _typed(truth: Truth, wiring: Wiring) -> tuple[Truth, BaseModel | None]:
    """Return a truth and its object of the contract's type; a misfit ends the round."""
    if truth.actuals is None:
        return truth, None
    try:
        return truth, wiring.config.ground_truth_type.model_validate(truth.actuals)
    except ValidationError as error:
        problem = str(first_misfit(error))
    except Exception as error:  # noqa: BLE001  a type's own validator may raise anything
        problem = describe(error)
    return Truth(reason=f"the truth does not fit its type: {problem}"), None


def _score_rounds(
    competition: Competition,
    wiring: Wiring,
    truths: dict[int, BaseModel],
    now: datetime,
) -> list[NewScore]:
    """Score and store the answers of rounds, given as round key -> typed truth."""
    if not truths:
        return []
    version = current_version(competition)
    with connection.cursor() as cursor:
        answers = score_answers(cursor=cursor, wiring=wiring, truths=truths)
        copy_scores(
            cursor,
            ((a.prediction, a.model, version, a.score, now) for a in answers),
        )
    scores = [answer.score for answer in answers]
    if failed := [scored for scored in scores if not scored.success]:
        log.warning(
            "scores.failed",
            competition=competition.slug,
            count=len(failed),
            first_reason=failed[0].failed_reason,
        )
    return scores
