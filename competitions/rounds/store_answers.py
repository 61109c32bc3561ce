"""Store a round's answers: once, in one transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from django.db import connection, transaction

from competitions.gateway.types import ModelAnswer
from competitions.models import Prediction, Round
from competitions.roster import record_errors
from competitions.rounds.build_question import RoundQuestion
from competitions.rounds.round_leaves import AskedRound, log_rounds, stored_output
from competitions.rules_version import log_rules
from competitions.slots import Wiring
from core.copy import copy_rows
from core.facts import Fact, FactKind, announce
from core.texts import readable
from proofs.cadence import seal_before

log = structlog.get_logger(__name__)

# Longest reason of an invalid output in the log, and lines for one round.
LOGGED_REASON, MOST_LOGGED = 200, 20


def store_answers(
    *,
    round_: Round,
    question: RoundQuestion,
    wiring: Wiring,
    models: Mapping[str, int],
    answers: Sequence[ModelAnswer],
    performed_at: datetime,
    timing: Mapping[str, int],
) -> bool:
    """Mark a waiting round as performed and add one prediction for each answer.

    `models` maps model ids to primary keys. Returns False, with nothing written, when
    another worker has performed or ended the round. `timing` holds microseconds.
    """
    same = question.model_input is question.raw_data
    resolvable_at = performed_at + round_.scheduled_prediction.horizon
    answered = sum(a.outcome == "ANSWERED" for a in answers)
    with transaction.atomic():
        is_first = (
            Round.objects.waiting()
            .filter(pk=round_.pk)
            .update(
                performed_at=performed_at,
                resolvable_at=resolvable_at,
                scope_key=question.scope_key,
                scope=question.scope,
                raw_data=question.raw_data,
                model_input=None if same else question.model_input,
                timing=timing,
                input_age_s=question.input_age_s,
            )
        )
        if not is_first:
            log.warning("round.performed_elsewhere", round=round_.pk)
            return False
        with connection.cursor() as cursor:
            copy_answers(cursor, [(round_.pk, performed_at, answers)], models)
        note_errors(answers, models)
        log_rounds(
            round_.competition,
            [
                AskedRound(
                    pk=round_.pk,
                    scope_key=question.scope_key,
                    scope=question.scope,
                    slot_at=round_.slot_at,
                    asked_at=performed_at,
                    resolvable_at=resolvable_at,
                    shown=question.model_input,
                    answers=answers,
                )
            ],
            rules=log_rules(round_.competition, wiring),
        )
        seal_before(resolvable_at)
        announce(
            Fact(
                FactKind.ROUND_PERFORMED,
                round_.competition_id,
                {
                    "round": round_.pk,
                    "scope_key": question.scope_key,
                    "slot_at": round_.slot_at.isoformat(),
                    "resolvable_at": resolvable_at.isoformat(),
                    "models": len(answers),
                    "answered": answered,
                },
            )
        )
    _log_invalid(round_, answers)
    log.info(
        "round.performed",
        competition=round_.competition.slug,
        round=round_.pk,
        slot_at=round_.slot_at.isoformat(),
        models=len(answers),
        answered=answered,
        **timing,
    )
    return True


def copy_answers(
    cursor: Any,
    rounds: Iterable[tuple[int, datetime, Sequence[ModelAnswer]]],
    models: Mapping[str, int],
) -> None:
    """Add predictions, given as (round, when its models were asked, answers)."""
    copy_rows(
        cursor,
        Prediction._meta.db_table,  # noqa: SLF001  documented API
        (
            *("input_id", "model_id", "outcome", "code", "reason"),
            *("inference_output_jsonb", "exec_time_us", "performed_at"),
            "meta_jsonb",
        ),
        (row for each in rounds for row in _rows(*each, models)),
    )


def _rows(
    round_: int,
    performed_at: datetime,
    answers: Iterable[ModelAnswer],
    models: Mapping[str, int],
) -> Iterator[tuple[Any, ...]]:
    at = performed_at.isoformat()
    for answer in answers:
        sent = "null" if answer.dispatched_us is None else answer.dispatched_us
        yield (
            round_,
            models[answer.model_id],
            answer.outcome,
            answer.code,
            answer.reason,
            stored_output(answer),
            answer.exec_time_us,
            at,
            f'{{"dispatched_us":{sent}}}',  # encoding it takes longer than all else
        )


def note_errors(answers: Sequence[ModelAnswer], models: Mapping[str, int]) -> None:
    """Store which models failed in a round, and which succeeded."""
    record_errors(
        models=models,
        errors={
            a.model_id: a.reason if a.outcome == "FAILED" else a.warning
            for a in answers
            if a.outcome == "FAILED" or a.warning
        },
        well=[a.model_id for a in answers if a.outcome == "ANSWERED" and not a.warning],
    )


def _log_invalid(round_: Round, answers: Sequence[ModelAnswer]) -> None:
    """Log each invalid output; of many, only the first ones and their number."""
    invalid = [a for a in answers if a.outcome == "FAILED" and a.result is not None]
    for answer in invalid[:MOST_LOGGED]:
        log.warning(
            "prediction.output_invalid",
            round=round_.pk,
            model=answer.model_id,
            reason=readable(answer.reason, limit=LOGGED_REASON),
        )
    if len(invalid) > MOST_LOGGED:
        log.warning("prediction.outputs_invalid", round=round_.pk, models=len(invalid))
