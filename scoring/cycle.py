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
from django.db.models import Q
from pydantic import BaseModel, ValidationError

from competitions.models import Competition, Input, ParticipantModel, Prediction
from competitions.slots import Wiring
from competitions.wiring import wiring_of
from feeds import clock
from feeds.bulk import copy_rows
from scoring import leaderboard, locks, snapshots, truth
from scoring.models import Score
from scoring.periods import following
from scoring.scoring import score_all
from scoring.truth import Truth

log = structlog.get_logger(__name__)

# Bounds the memory and the duration of one transaction.
PREDICTIONS_A_BATCH = 100_000
FIRST_VERSION = 1


@dataclass
class CycleReport:
    """What a cycle did: rounds by how they ended, scores, and whether it summed up."""

    resolved: int = 0
    unresolvable: int = 0
    waiting: int = 0
    scored: int = 0
    failed: int = 0
    rebuilt: bool = False


def claim_due() -> list[int]:
    """Competitions whose next cycle has come, each given to one caller only.

    One statement when nothing is due. A paused or ended one goes on being scored.
    """
    now = clock.now()
    due = Competition.objects.filter(next_score_at__lte=now).values_list(
        "pk", "next_score_at", "score_interval_s"
    )
    return [
        pk
        for pk, at, interval_s in due
        if Competition.objects.filter(pk=pk, next_score_at=at).update(
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
    models = ParticipantModel.objects.filter(competition=competition).count()
    limit = 1 + PREDICTIONS_A_BATCH // max(models, 1)
    last: tuple[datetime, int] | None = None
    while True:
        rounds = _score_batch(competition, wiring, limit, last, report)
        if len(rounds) < limit:
            break
        assert rounds[-1].resolvable_at is not None  # a due round has it
        last = (rounds[-1].resolvable_at, rounds[-1].pk)
    if report.resolved or leaderboard.is_behind(competition, clock.now()):
        _sum_up(competition, wiring)
        report.rebuilt = True
    if report.resolved or report.unresolvable:
        log.info("cycle.done", competition=competition.slug, **vars(report))
    return report


@transaction.atomic
def _score_batch(
    competition: Competition,
    wiring: Wiring,
    limit: int,
    last: tuple[datetime, int] | None,
    report: CycleReport,
) -> list[Input]:
    """Score the next due rounds after `last` that nobody else works on."""
    locks.share(competition.pk)
    now = _not_closed(competition, clock.now())
    due = Input.objects.due(now).filter(competition=competition)
    if last is not None:
        # Waiting rounds stay due; going past them keeps the next ones from starving.
        due = due.filter(
            Q(resolvable_at__gt=last[0]) | Q(resolvable_at=last[0], pk__gt=last[1])
        )
    rounds = list(
        due.select_related("competition")
        .defer("raw_data", "model_input", "timing")
        .select_for_update(skip_locked=True, of=("self",), no_key=True)[:limit]
    )
    if not rounds:
        return rounds
    truths = truth.resolve(
        competition=competition, wiring=wiring, rounds=rounds, now=now
    )
    typed = [_typed(found, wiring) for found in truths]
    _score_rounds(wiring, rounds, typed, now, report)
    _end_rounds(rounds, [found for found, _ in typed], now)
    for found, _ in typed:
        report.waiting += found.is_waiting
        report.resolved += found.actuals is not None
        report.unresolvable += bool(found.reason)
    return rounds


def _not_closed(competition: Competition, now: datetime) -> datetime:
    """`now`, but never inside a closed period, should a worker's clock be behind."""
    closed = snapshots.last_closed_end(competition)
    return max(now, closed) if closed else now


def _typed(found: Truth, wiring: Wiring) -> tuple[Truth, BaseModel | None]:
    """The truth as an object of the contract's type; one that does not fit is none."""
    if found.actuals is None:
        return found, None
    try:
        return found, wiring.config.ground_truth_type.model_validate(found.actuals)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Truth(
            reason=f"the truth does not fit its type: {where}: {first['msg']}"
        ), None


def _score_rounds(
    wiring: Wiring,
    rounds: Sequence[Input],
    typed: Sequence[tuple[Truth, BaseModel | None]],
    now: datetime,
    report: CycleReport,
) -> None:
    known = {
        round_.pk: found
        for round_, (_, found) in zip(rounds, typed, strict=True)
        if found is not None
    }
    if not known:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, input_id, inference_output_jsonb::text FROM predictions "
            "WHERE input_id = ANY(%s) AND outcome = %s ORDER BY id",
            [list(known), Prediction.Outcome.ANSWERED],
        )
        answers = cursor.fetchall()
        scores = score_all(
            wiring=wiring,
            outputs=[output for _, _, output in answers],
            truths=[known[input_id] for _, input_id, _ in answers],
        )
        scored_at = now.isoformat()
        copy_rows(
            cursor,
            Score._meta.db_table,  # noqa: SLF001  documented API
            (
                *("prediction_id", "scoring_version", "value", "success"),
                *("failed_reason", "result_jsonb", "scored_at"),
            ),
            (
                (
                    prediction_id,
                    FIRST_VERSION,
                    *(score.value, score.success),
                    *(score.failed_reason, score.result, scored_at),
                )
                for (prediction_id, _, _), score in zip(answers, scores, strict=True)
            ),
        )
    failed = sum(not score.success for score in scores)
    report.failed += failed
    report.scored += len(scores) - failed
    if failed:
        reason = next(score.failed_reason for score in scores if not score.success)
        log.warning("scores.failed", count=failed, first_reason=reason)


def _end_rounds(
    rounds: Sequence[Input], truths: Sequence[Truth], now: datetime
) -> None:
    """Write how the rounds ended; one statement, none when all of them wait."""
    ended = [
        (round_.pk, found.reason[: truth.LONGEST_REASON], found)
        for round_, found in zip(rounds, truths, strict=True)
        if not found.is_waiting
    ]
    if not ended:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE inputs SET
                status = CASE WHEN ended.actuals IS NULL THEN %s ELSE %s END,
                resolved_at = CASE WHEN ended.actuals IS NULL THEN NULL ELSE %s END,
                actuals_jsonb = ended.actuals,
                provenance_jsonb = ended.provenance,
                reason = ended.reason
            FROM unnest(%s::bigint[], %s::text[], %s::jsonb[], %s::jsonb[])
                AS ended(id, reason, actuals, provenance)
            WHERE inputs.id = ended.id
            """,
            [
                Input.Status.UNRESOLVABLE,
                Input.Status.RESOLVED,
                now,
                [pk for pk, _, _ in ended],
                [reason for _, reason, _ in ended],
                [_json(found.actuals) for _, _, found in ended],
                [_json(found.provenance) for _, _, found in ended],
            ],
        )


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value, allow_nan=False)


@transaction.atomic
def _sum_up(competition: Competition, wiring: Wiring) -> None:
    """Rebuild open snapshots and the newest board from what is stored."""
    locks.own(competition.pk)
    now = _not_closed(competition, clock.now())
    snapshots.refresh(competition=competition, wiring=wiring, now=now)
    leaderboard.publish(competition=competition, wiring=wiring, now=now)
