"""A score cycle: due rounds -> truth -> scores, then snapshots and the leaderboard.

Each batch of rounds is one transaction, so whatever dies in the middle leaves whole
rounds, resolved with all their scores or still due. Summing up starts from the stored
scores alone and is repeated by the next cycle if this one did not get so far.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from pydantic import BaseModel, ValidationError

from competitions.callables.door import Door, Outcomes
from competitions.models import Competition, ParticipantModel, Round
from competitions.slots import Wiring
from competitions.tape_ends import Hole, Truth, is_late
from competitions.wiring import wiring_of
from core import clock
from core.grid import following, is_astray
from core.misfits import first_misfit
from core.texts import describe, readable
from scoring import locks
from scoring.board import leaderboard
from scoring.models import VoidWindow
from scoring.scores.score_rounds import score_answers
from scoring.scores.scorer import Scored
from scoring.scores.store import copy_scores, current_version
from scoring.snapshots import snapshots
from scoring.truth import recovery, resolve

log = structlog.get_logger(__name__)

# Bounds the memory and the duration of one transaction.
PREDICTIONS_A_BATCH = 100_000
# Clocks of two workers may differ by this much and mean nothing.
SKEW_S = 60


@dataclass
class CycleReport:
    """What a cycle did: rounds by how they ended, scores, and whether it summed up.

    `failure` is why the first of the scores that failed did.
    """

    resolved: int = 0
    unresolvable: int = 0
    void: int = 0
    waiting: int = 0
    scored: int = 0
    failed: int = 0
    rebuilt: bool = False
    failure: str = ""

    def add(self, truths: Sequence[Truth], scores: Sequence[Scored]) -> None:
        """Count a batch."""
        self.waiting += sum(found.is_waiting for found in truths)
        self.resolved += sum(found.actuals is not None for found in truths)
        self.void += sum(found.is_void for found in truths)
        self.unresolvable += sum(
            bool(found.reason) and not found.is_void for found in truths
        )
        self.scored += sum(score.success for score in scores)
        failed = [score for score in scores if not score.success]
        self.failed += len(failed)
        if failed and not self.failure:
            self.failure = failed[0].failed_reason


def claim_due() -> list[int]:
    """Competitions whose next cycle has come, each given to one caller only.

    One statement when nothing is due. A paused or ended one goes on being scored.
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
    """Score all due rounds of a competition and bring its standings up to date.

    Safe to run twice and from many workers: they share the due rounds and no round is
    scored twice. The number of statements depends on neither models nor rounds of a
    batch.
    """
    competition = Competition.objects.get(pk=competition_id)
    wiring = wiring_of(competition)
    report = CycleReport()
    holes: list[Hole] = []
    outcomes = Outcomes()
    _score_due(competition, wiring, report, outcomes, holes)
    if holes:
        is_filled = recovery.fill(holes)
        report.waiting = 0  # they are looked at again
        _score_due(competition, wiring, report, outcomes, None, is_filled=is_filled)
    _note_scorer(wiring, report, outcomes)
    outcomes.keep(competition)
    if report.resolved or leaderboard.is_behind(competition, clock.now()):
        _sum_up(competition, wiring)
        report.rebuilt = True
    if report.resolved or report.unresolvable:
        log.info("cycle.done", competition=competition.slug, **vars(report))
    return report


def _note_scorer(wiring: Wiring, report: CycleReport, outcomes: Outcomes) -> None:
    """A scorer that can score none of a cycle's predictions is what fails, not they."""
    name, path = "SCORING_FUNCTION", wiring.paths["SCORING_FUNCTION"]
    if wiring.config.batch_scoring_function:
        path = "contract:batch_scoring_function"
    if report.scored:
        outcomes.worked(name)
    elif report.failed:
        outcomes.failed(name, path, report.failure)


def _score_due(
    competition: Competition,
    wiring: Wiring,
    report: CycleReport,
    outcomes: Outcomes,
    holes: list[Hole] | None,
    *,
    is_filled: bool = True,
) -> None:
    """Score all due rounds, batch by batch; with a list, note the tape's holes."""
    models = ParticipantModel.objects.filter(competition=competition).count()
    limit = 1 + PREDICTIONS_A_BATCH // max(models, 1)
    last: tuple[datetime, int] | None = None
    while True:
        resolver = resolve.Resolver(competition, outcomes)
        wanted = _Batch(competition, wiring, limit, last, holes, is_filled, resolver)
        if resolve.is_own(wiring):
            _ask_resolver(wanted)
        resolver.is_sealed = True
        rounds = _score_batch(wanted, report)
        if len(rounds) < limit:
            break
        assert rounds[-1].resolvable_at is not None  # a due round has it
        last = (rounds[-1].resolvable_at, rounds[-1].pk)


@dataclass(frozen=True)
class _Batch:
    """Which due rounds to score next: at most `limit` of them after `after`."""

    competition: Competition
    wiring: Wiring
    limit: int
    after: tuple[datetime, int] | None
    holes: list[Hole] | None
    is_filled: bool
    resolver: resolve.Resolver

    def due(self, now: datetime) -> QuerySet[Round]:
        """Return those of them that are due, without a lock."""
        due = Round.objects.due(now).filter(competition=self.competition)
        if self.after is not None:
            # Waiting rounds stay due; going past them keeps the next from starving.
            at, pk = self.after
            due = due.filter(Q(resolvable_at__gt=at) | Q(resolvable_at=at, pk__gt=pk))
        return due.select_related("competition").defer(
            "raw_data", "model_input", "timing"
        )


def _ask_resolver(wanted: _Batch) -> None:
    """Ask the operator's resolver about the rounds before any lock is held."""
    now = clock.now()
    rounds = list(wanted.due(now)[: wanted.limit])
    resolve.resolve(
        competition=wanted.competition,
        wiring=wanted.wiring,
        rounds=rounds,
        now=now,
        holes=None if wanted.holes is None else [],
        is_filled=wanted.is_filled,
        resolver=wanted.resolver,
    )


@transaction.atomic
def _score_batch(wanted: _Batch, report: CycleReport) -> list[Round]:
    """Score the next due rounds that nobody else works on."""
    competition, wiring = wanted.competition, wanted.wiring
    locks.share(competition.pk)
    # What is due is so by the clock; when it ended is never in a closed period.
    now = clock.now()
    ended_at = _not_closed(competition, now)
    rounds = list(
        wanted.due(now).select_for_update(skip_locked=True, of=("self",), no_key=True)[
            : wanted.limit
        ]
    )
    if not rounds:
        return rounds
    truths = _void_among(competition, rounds)
    others = [round_ for round_ in rounds if round_.pk not in truths]
    found = resolve.resolve(
        competition=competition,
        wiring=wiring,
        rounds=others,
        now=now,
        holes=wanted.holes,
        is_filled=wanted.is_filled,
        resolver=wanted.resolver,
    )
    truths |= {round_.pk: each for round_, each in zip(others, found, strict=True)}
    typed = [_typed(truths[round_.pk], wiring) for round_ in rounds]
    ended = [found for found, _ in typed]
    known = {
        round_.pk: true
        for round_, (_, true) in zip(rounds, typed, strict=True)
        if true is not None
    }
    scores = _score_rounds(competition, wiring, known, ended_at)
    _end_rounds(rounds, ended, ended_at)
    _note_late(rounds, ended, now)
    report.add(ended, scores)
    return rounds


def _void_among(competition: Competition, rounds: Sequence[Round]) -> dict[int, Truth]:
    """How rounds end that an operator has declared void, by their key."""
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


def _not_closed(competition: Competition, now: datetime) -> datetime:
    """`now`, but never inside a closed period, whatever the clock showed before."""
    closed = snapshots.last_closed_end(competition)
    return max(now, closed) if closed else now


def _typed(found: Truth, wiring: Wiring) -> tuple[Truth, BaseModel | None]:
    """The truth as an object of the contract's type; one that does not fit is none."""
    if found.actuals is None:
        return found, None
    try:
        return found, wiring.config.ground_truth_type.model_validate(found.actuals)
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
) -> list[Scored]:
    """Score and store the answers of rounds, given as round key -> typed truth."""
    if not truths:
        return []
    version = current_version(competition)
    with connection.cursor() as cursor:
        answers = score_answers(cursor=cursor, wiring=wiring, truths=truths)
        copy_scores(
            cursor,
            ((answer.prediction, version, answer.score, now) for answer in answers),
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


def _end_rounds(
    rounds: Sequence[Round], truths: Sequence[Truth], now: datetime
) -> None:
    """Write how the rounds ended; one statement, none when all of them wait."""
    ended = [
        (round_.pk, readable(found.reason), found)
        for round_, found in zip(rounds, truths, strict=True)
        if not found.is_waiting
    ]
    if not ended:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE inputs SET
                status = ended.status,
                resolved_at = CASE WHEN ended.actuals IS NULL THEN NULL ELSE %s END,
                actuals_jsonb = ended.actuals,
                provenance_jsonb = ended.provenance,
                reason = ended.reason
            FROM unnest(
                %s::bigint[], %s::text[], %s::text[], %s::jsonb[], %s::jsonb[]
            ) AS ended(id, status, reason, actuals, provenance)
            WHERE inputs.id = ended.id
            """,
            [
                now,
                [pk for pk, _, _ in ended],
                [found.status.value for _, _, found in ended],
                [reason for _, reason, _ in ended],
                [_json(found.actuals) for _, _, found in ended],
                [_json(found.provenance) for _, _, found in ended],
            ],
        )


def _note_late(rounds: Sequence[Round], truths: Sequence[Truth], now: datetime) -> None:
    """Note which rounds wait past their deadline; a statement if there are new ones.

    A note from after `now` was made while a clock ran ahead, and is made anew.
    """
    late = [
        round_.pk
        for round_, found, late in zip(
            rounds, truths, is_late(rounds, now), strict=True
        )
        if late
        and found.is_waiting
        and (round_.overdue_at is None or round_.overdue_at > now)
    ]
    if late:
        Round.objects.filter(pk__in=late).update(overdue_at=now)


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value, allow_nan=False)


def _sum_up(competition: Competition, wiring: Wiring) -> None:
    """Rebuild open snapshots and the newest board from what is stored.

    The operator's callables are asked before the lock is taken and after it is given
    back, so that one that hangs holds up nobody else.
    """
    door = Door(competition)
    snapshots.rehearse(competition=competition, wiring=wiring, door=door)
    with transaction.atomic():
        locks.own(competition.pk)
        now = _not_closed(competition, clock.now())
        snapshots.refresh(
            competition=competition, wiring=wiring, now=now, door=door.sealed()
        )
    leaderboard.publish(competition=competition, wiring=wiring, now=now, door=door)
