"""A predict round: what the tape shows, asked of every model, kept once.

1. raw input from the tape, model input from it, scope and call
2. feed update and question to all models in one go (the gateway)
3. each answer validated; failed and silent models get their row too
4. one transaction: the round is performed by compare-and-set, answers by COPY
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from pydantic import ValidationError

from competitions.callables.door import CallableError, Door
from competitions.callables.slot_answers import (
    checked_call,
    checked_scope,
    first_problem,
    fitting,
    require_finite,
)
from competitions.defaults import RoundContext
from competitions.gateway.errors import GatewayError
from competitions.gateway.types import (
    Answer,
    Argument,
    Call,
    ModelIdentity,
    RoundAnswers,
)
from competitions.grid_dispatch import tolerance
from competitions.lifecycle import subject_of
from competitions.models import Prediction, Round, ScheduledPrediction
from competitions.roster import record_errors, sync_roster
from competitions.rounds import freshness
from competitions.slots import Wiring
from competitions.wiring import wiring_of
from core import clock
from core.copy import copy_rows
from core.texts import LONGEST_TEXT, brief, describe, message_of, readable
from feeds.errors import TapeError

log = structlog.get_logger(__name__)

# Longest reason of an invalid output in the log, and lines of one round.
LOGGED_REASON, MOST_LOGGED = 200, 20
# No fault of the round: it is asked again, here or by the gateway's next owner.
_INTERRUPTIONS = (GatewayError, InterfaceError, OperationalError, TapeError)


class Gateway(Protocol):
    """The models' side of the wire; see competitions/gateway."""

    @property
    def is_roster_complete(self) -> bool: ...

    def roster(self) -> list[ModelIdentity]: ...

    def ask(
        self, *, feed: Call | None, question: Call, expected: Any
    ) -> RoundAnswers: ...


@dataclass(frozen=True)
class Question:
    """All that a round shows and asks, the same for every model."""

    scope_key: str
    scope: dict[str, Any]
    raw_data: dict[str, Any]
    model_input: dict[str, Any]
    feed: Call
    call: Call


class NoInputError(Exception):
    """The tape shows nothing for the round; its text is the round's reason."""


def perform_waiting(*, competition_id: int, gateway: Gateway) -> int:
    """Ask all waiting rounds of a competition, oldest slot first; returns how many.

    A round that raises is recorded as MISSED with the reason, and the next one goes on.
    Where the gateway or a database goes away, what it raises passes through and the
    rounds keep waiting.
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
    """Ask one round and keep the answers; False when it was too late or had no input.

    The number of SQL statements does not depend on the number of models.
    """
    started = time.perf_counter()
    late = clock.now() - round_.slot_at
    if late > tolerance(round_.scheduled_prediction):
        _miss(round_, f"the models could only be asked {late} after the slot")
        return False
    wiring = wiring_of(round_.competition)
    door = Door(round_.competition)
    try:
        question = build_question(
            scheduled=round_.scheduled_prediction, wiring=wiring, door=door
        )
        round_.input_age_s = _checked_age(question, wiring)
    except (NoInputError, CallableError) as error:
        _miss(round_, message_of(error))
        return False
    is_complete = gateway.is_roster_complete  # of the past, so read before the roster
    models = sync_roster(
        competition=round_.competition,
        identities=gateway.roster(),
        is_complete=is_complete,
    )
    built = time.perf_counter()
    performed_at = clock.now()
    answers = gateway.ask(
        feed=question.feed, question=question.call, expected=list(models)
    )
    asked = time.perf_counter()
    if unknown := [i for i in answers.joined if i.model_id not in models]:
        models |= sync_roster(competition=round_.competition, identities=unknown)
    known = [answer for answer in answers.answers if answer.model_id in models]
    checked = check_answers(known, wiring, door)
    round_.performed_at = performed_at
    round_.timing = {
        "built_us": round((built - started) * 1e6),
        "asked_us": round((asked - built) * 1e6),
        "checked_us": round((time.perf_counter() - asked) * 1e6),
        **answers.timing,
    }
    return _keep(round_, question, models, checked)


def build_question(
    *, scheduled: ScheduledPrediction, wiring: Wiring, door: Door
) -> Question:
    """Run the input, scope and call slots of a round.

    Raises NoInputError, or CallableError naming the slot that failed.
    """
    context = context_of(scheduled, wiring)
    raw, shown = build_input(context, wiring, door)
    scope_key, scope, call = build_call(
        scheduled=scheduled, wiring=wiring, door=door, context=context, shown=shown
    )
    return Question(
        scope_key=scope_key,
        scope=scope,
        raw_data=raw,
        model_input=shown,
        feed=_feed(shown, wiring),
        call=call,
    )


def build_call(
    *,
    scheduled: ScheduledPrediction,
    wiring: Wiring,
    door: Door,
    context: RoundContext,
    shown: Mapping[str, Any],
) -> tuple[str, dict[str, Any], Call]:
    """Run the scope and call slots: scope key, scope, and what the models are asked.

    Raises CallableError naming the operator's slot that failed; the engine's own raise
    ValueError.
    """
    row = {
        "scope_key": scheduled.scope_key,
        "scope_template": scheduled.scope_template,
        "prediction_interval_seconds": scheduled.prediction_interval_s,
        "resolve_horizon_seconds": scheduled.resolve_horizon_s,
        "meta": scheduled.meta,
    }
    scoped = door.call_slot(
        wiring,
        "PREDICTION_SCOPE_BUILDER",
        row,
        shown,
        check=checked_scope,
        context=context,
    )
    scope = {
        "source": context.source,
        "kind": context.kind,
        "granularity": context.granularity,
        **scoped["scope"],
    }
    call = door.call_slot(
        wiring,
        "PREDICT_CALL_BUILDER",
        row,
        shown,
        scope,
        check=checked_call,
        context=context,
    )
    return (
        scoped["scope_key"],
        scope,
        Call(
            method=wiring.config.call_method.method,
            args=call.args,
            kwargs=call.kwargs,
            largest_answer_bytes=wiring.config.max_output_bytes,
        ),
    )


def _checked_age(question: Question, wiring: Wiring) -> float | None:
    """How old the newest record is that is shown; raises NoInputError if too old."""
    kind, granularity = question.scope["kind"], question.scope["granularity"]
    age_s = freshness.age_s(question.raw_data, kind=kind, granularity=granularity)
    limit = freshness.limit(wiring.config, granularity=granularity)
    if age_s is not None and age_s > limit.total_seconds():
        raise NoInputError(
            f"the newest {kind} of {question.raw_data.get('symbol', 'the input')} is "
            f"{timedelta(seconds=round(age_s))} old; {limit} is the most"
        )
    return age_s


def newest_feeds(*, slug: str) -> list[Call]:
    """What the rounds of a competition would show now: one feed update a subject."""
    feeds: dict[str, Call] = {}
    for scheduled in ScheduledPrediction.objects.filter(
        competition__slug=slug, active=True
    ).select_related("competition"):
        wiring = wiring_of(scheduled.competition)
        context = context_of(scheduled, wiring)
        if context.subject not in feeds:
            with suppress(NoInputError, CallableError):
                _, shown = build_input(context, wiring, Door(scheduled.competition))
                feeds[context.subject] = _feed(shown, wiring)
    return list(feeds.values())


def context_of(scheduled: ScheduledPrediction, wiring: Wiring) -> RoundContext:
    """Return what a schedule's callables may know of their round."""
    competition = scheduled.competition
    return RoundContext(
        config=wiring.config,
        source=competition.feed_source,
        subject=subject_of(scheduled.scope_template, competition),
        kind=competition.feed_kind,
        granularity=competition.feed_granularity,
        window=settings.ENV.feed_candles_window,
    )


def build_input(
    context: RoundContext, wiring: Wiring, door: Door
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Raw input from the tape, and the models' input from it."""
    config = wiring.config
    raw = door.call_slot(
        wiring,
        "RAW_INPUT_PROVIDER",
        clock.now(),
        check=lambda raw: None if raw is None else fitting(raw, config.raw_input_type),
        context=context,
    )
    if raw is None:
        raise NoInputError(
            f"the tape has no closed {context.kind} of "
            f"{context.source}:{context.subject}"
        )
    shown = door.call_slot(
        wiring,
        "INFERENCE_INPUT_BUILDER",
        raw,
        check=lambda shown: fitting(shown, config.input_type),
        context=context,
    )
    return raw, shown


def _feed(shown: dict[str, Any], wiring: Wiring) -> Call:
    return Call(
        method=wiring.config.feed_update_method, args=(Argument("JSON", shown),)
    )


def check_answers(
    answers: Sequence[Answer], wiring: Wiring, door: Door
) -> list[Answer]:
    """Validate what the models answered; see `check_answer`.

    An operator's validator has one deadline for all answers: those that it had no time
    for are FAILED.
    """
    slot = "INFERENCE_OUTPUT_VALIDATOR"
    if wiring.is_default(slot):
        return [check_answer(answer, wiring) for answer in answers]
    checked: list[Answer] = []

    def check_all() -> None:
        for answer in answers:
            checked.append(check_answer(answer, wiring))  # noqa: PERF401  kept one by one

    try:
        door.call(slot, wiring.paths[slot], check_all)
    except CallableError as error:
        done = list(checked)  # one that hangs may go on adding to it
        return done + [
            _invalid(answer, str(error)) if answer.outcome == "ANSWERED" else answer
            for answer in answers[len(done) :]
        ]
    return checked


def check_answer(answer: Answer, wiring: Wiring) -> Answer:
    """Validate what a model answered; an invalid output is FAILED with the reason.

    A scalar becomes the output type's first field. The result of a valid answer is
    the coerced output with its extra keys; of an invalid one, what was wrong with it
    and what the model said, as text. A validator that returns None has changed the
    answer in its place.
    """
    if answer.outcome != "ANSWERED":
        if not answer.raw:
            return answer
        return replace(answer, result=_told(answer.reason, answer.raw))
    fields = wiring.config.output_type.model_fields
    is_own = not wiring.is_default("INFERENCE_OUTPUT_VALIDATOR")
    given = deepcopy(answer.result) if is_own else answer.result
    try:
        output = wiring.call("INFERENCE_OUTPUT_VALIDATOR", given)
        output = given if output is None else output
        if not isinstance(output, dict):
            output = {next(iter(fields), "result"): output}
        _require_known_key(output, fields)
        parsed = wiring.config.output_type.model_validate(output)
        kept = {**output, **parsed.model_dump(mode="json")}
        _require_storable(kept, wiring.config.max_output_bytes)
    except ValidationError as error:
        return _invalid(answer, first_problem(error))
    except Exception as error:  # noqa: BLE001  the operator's validator may raise anything
        return _invalid(answer, message_of(error))
    return replace(answer, result=kept)


def _require_known_key(output: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    if fields and not fields.keys() & output.keys():
        found = brief(sorted(map(str, output)))
        raise ValueError(f"keys were {found}; one of {sorted(fields)} is needed")


def _require_storable(output: dict[str, Any], largest_bytes: int) -> None:
    """As the COPY of all answers encodes it: what fails there would fail everybody."""
    try:
        text = _stored(output)
    except ValueError:
        require_finite(output)
        raise
    size = len(text) if text.isascii() else len(text.encode())
    if "e" in text:  # PostgreSQL writes exponents out: 1e308 is 309 digits
        size += sum(map(int, _EXPONENT.findall(text)))
    if size > largest_bytes:
        raise ValueError(
            f"the output has {size} bytes; at most {largest_bytes} are kept"
        )


_as_json = json.JSONEncoder(ensure_ascii=False).encode
_EXPONENT = re.compile(r"\de[+-](\d{2,3})\b")
_stored = json.JSONEncoder(
    allow_nan=False, ensure_ascii=False, separators=(",", ":")
).encode


def _invalid(answer: Answer, problem: str) -> Answer:
    try:
        said = _as_json(answer.result)
    except Exception:  # noqa: BLE001  an answer that came by another way than the wire
        said = brief(answer.result, limit=LONGEST_TEXT)
    return replace(
        answer,
        outcome="FAILED",
        result=_told(problem, said),
        reason=f"invalid output: {problem}",
    )


def _told(problem: str, said: str) -> dict[str, Any]:
    """What is stored of an answer that cannot be kept."""
    return {"_validation_error": readable(problem), "raw_output": readable(said)}


def _log_invalid(round_: Round, answers: list[Answer]) -> None:
    """A line for each invalid output; of very many, the first ones and their number."""
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


def _keep(
    round_: Round,
    question: Question,
    models: Mapping[str, int],
    answers: list[Answer],
) -> bool:
    performed_at = round_.performed_at
    assert performed_at is not None  # set by perform_round
    same = question.model_input is question.raw_data
    with transaction.atomic():
        won = (
            Round.objects.waiting()
            .filter(pk=round_.pk)
            .update(
                performed_at=performed_at,
                resolvable_at=performed_at + round_.scheduled_prediction.horizon,
                scope_key=question.scope_key,
                scope=question.scope,
                raw_data=question.raw_data,
                model_input=None if same else question.model_input,
                timing=round_.timing,
                input_age_s=round_.input_age_s,
            )
        )
        if not won:
            log.warning("round.performed_elsewhere", round=round_.pk)
            return False
        with connection.cursor() as cursor:
            copy_rows(
                cursor,
                Prediction._meta.db_table,  # noqa: SLF001  documented API
                (
                    *("input_id", "model_id", "outcome", "reason"),
                    *("inference_output_jsonb", "exec_time_us", "performed_at"),
                    "meta_jsonb",
                ),
                (
                    (
                        round_.pk,
                        models[a.model_id],
                        a.outcome,
                        a.reason,
                        a.result if isinstance(a.result, dict) else {},
                        a.exec_time_us,
                        performed_at.isoformat(),
                        {"dispatched_us": a.dispatched_us},
                    )
                    for a in answers
                ),
            )
        record_errors(
            models=models,
            errors={
                a.model_id: a.reason if a.outcome == "FAILED" else a.warning
                for a in answers
                if a.outcome == "FAILED" or a.warning
            },
            well=[
                a.model_id for a in answers if a.outcome == "ANSWERED" and not a.warning
            ],
        )
    _log_invalid(round_, answers)
    log.info(
        "round.performed",
        competition=round_.competition.slug,
        round=round_.pk,
        slot_at=round_.slot_at.isoformat(),
        models=len(answers),
        answered=sum(a.outcome == "ANSWERED" for a in answers),
        **round_.timing,
    )
    return True


def _miss(round_: Round, reason: str) -> None:
    Round.objects.waiting().filter(pk=round_.pk).update(
        status=Round.Status.MISSED, reason=reason
    )
    log.warning("round.missed", round=round_.pk, reason=reason)
