"""Perform a round: ask every model once and store one answer of each.

1. build the question: raw input from the tape, model input, scope and call
2. send feed update and question to all models at once (the gateway)
3. check each answer; failed and silent models get a row too
4. store all answers in one transaction, by compare-and-set and COPY
"""

import time
from collections.abc import Collection
from dataclasses import replace
from typing import Protocol

import structlog
from django.db import InterfaceError, OperationalError

from competitions.callables.guarded_calls import CallableError, GuardedCalls
from competitions.gateway.errors import GatewayError
from competitions.gateway.types import Call, ModelIdentity, RoundAnswers
from competitions.grid_dispatch import tolerance
from competitions.models import ParticipantModel, Round
from competitions.roster import sync_roster
from competitions.rounds.build_question import NoInputError, build_question
from competitions.rounds.check_answers import check_answers
from competitions.rounds.store_answers import store_answers
from competitions.wiring import wiring_of
from core import clock
from core.texts import describe, message_of
from feeds.errors import TapeError

log = structlog.get_logger(__name__)

# Not the round's fault: it is tried again, here or by the gateway's next owner.
_INTERRUPTIONS = (GatewayError, InterfaceError, OperationalError, TapeError)


class Gateway(Protocol):
    """The models' side of the wire; see competitions/gateway/gateway.py."""

    @property
    def is_roster_complete(self) -> bool: ...

    @property
    def outage(self) -> str: ...

    def roster(self) -> list[ModelIdentity]: ...

    def ask(
        self, *, feed: Call | None, question: Call, expected: Collection[str]
    ) -> RoundAnswers: ...


def perform_waiting(*, competition_id: int, gateway: Gateway) -> int:
    """Perform all waiting rounds of a competition, oldest slot first; return how many.

    A round that raises is recorded as MISSED with the reason, and the next one follows.
    Errors of the gateway or a database are raised, and the rounds keep waiting.
    """
    rounds = (
        Round.objects.to_ask(clock.now())
        .filter(competition_id=competition_id)
        .select_related("competition", "scheduled_prediction__competition")
        .order_by("slot_at", "scheduled_prediction__order", "pk")
    )
    performed = 0
    for round_ in rounds:
        try:
            performed += perform_round(round_=round_, gateway=gateway)
        except _INTERRUPTIONS:
            raise
        except Exception as error:
            log.exception("round.failed", round=round_.pk)
            _miss(round_, describe(error))
    return performed


def perform_round(*, round_: Round, gateway: Gateway) -> bool:
    """Perform one round; return False if it was too late, had no input, or was done.

    In an outage of the models' side it waits, and is MISSED if that takes too long: the
    site is at fault, and no model. The number of SQL statements does not depend on the
    number of models.
    """
    started = time.perf_counter()
    late, outage = clock.now() - round_.slot_at, gateway.outage
    if late > tolerance(round_.scheduled_prediction):
        why = f": {outage}" if outage else ""
        passed = f"{late.total_seconds():.0f} s"
        _miss(round_, f"the models could only be asked {passed} after the slot{why}")
        return False
    if outage and ParticipantModel.objects.expected(round_.competition).exists():
        return False
    wiring = wiring_of(round_.competition)
    guarded = GuardedCalls(round_.competition)
    try:
        question = build_question(
            scheduled=round_.scheduled_prediction, wiring=wiring, guarded=guarded
        )
    except (NoInputError, CallableError) as error:
        _miss(round_, message_of(error))
        return False
    # Read before the roster: it describes the roster's past.
    is_complete = gateway.is_roster_complete
    models = sync_roster(
        competition=round_.competition,
        identities=gateway.roster(),
        is_complete=is_complete,
    )
    built = time.perf_counter()
    performed_at = clock.now()
    answers = gateway.ask(
        feed=question.feed,
        question=replace(question.call, label=str(round_.pk)),
        expected=list(models),
    )
    asked = time.perf_counter()
    if unknown := [i for i in answers.joined if i.model_id not in models]:
        models |= sync_roster(competition=round_.competition, identities=unknown)
    known = [answer for answer in answers.answers if answer.model_id in models]
    checked = check_answers(known, wiring, guarded)
    return store_answers(
        round_=round_,
        question=question,
        wiring=wiring,
        models=models,
        answers=checked,
        performed_at=performed_at,
        timing={
            "built_us": round((built - started) * 1e6),
            "asked_us": round((asked - built) * 1e6),
            "checked_us": round((time.perf_counter() - asked) * 1e6),
            **answers.timing,
        },
    )


def _miss(round_: Round, reason: str) -> None:
    Round.objects.waiting().filter(pk=round_.pk).update(
        status=Round.Status.MISSED, reason=reason
    )
    log.warning("round.missed", round=round_.pk, reason=reason)
