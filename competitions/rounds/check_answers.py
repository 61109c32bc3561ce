"""Check the models' answers: each one alone is valid, or FAILED with a reason."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import ValidationError

from competitions.callables import guarded_calls
from competitions.callables.guarded_calls import CallableError, GuardedCalls
from competitions.callables.slot_answers import first_problem, require_finite
from competitions.gateway.types import ModelAnswer
from competitions.shared.answer_rule import as_output, require_size
from competitions.slots import Wiring
from core.deadline import MOST_LATE, StillAtWork, in_time
from core.texts import LONGEST_TEXT, brief, message_of, readable

SLOT = "INFERENCE_OUTPUT_VALIDATOR"

_as_json = json.JSONEncoder(ensure_ascii=False).encode


def check_answers(
    answers: Sequence[ModelAnswer], wiring: Wiring, guarded: GuardedCalls
) -> list[ModelAnswer]:
    """Validate all answers of a round; see `check_answer`.

    An answer for which an operator's validator hangs is FAILED, and the next one begins
    a new turn, of at most MOST_LATE. What no turn has reached is FAILED too.
    """
    if wiring.is_default(SLOT):
        return [check_answer(answer, wiring) for answer in answers]
    checked: list[ModelAnswer] = []

    def check_all() -> None:
        if problem := _check_in_turns(answers, wiring, guarded.competition, checked):
            raise problem

    try:
        guarded.call(
            SLOT,
            wiring.paths[SLOT],
            check_all,
            patience_s=(1 + MOST_LATE) * guarded_calls.PATIENCE_S,
        )
    except CallableError as error:  # recorded, and told to whom it concerns
        done = list(checked)  # a turn that is left behind may still append to it
        left = answers[len(done) :]
        return done + [_unchecked(each, wiring, str(error)) for each in left]
    return checked


def _check_in_turns(
    answers: Sequence[ModelAnswer],
    wiring: Wiring,
    competition: int,
    checked: list[ModelAnswer],
) -> Exception | None:
    """Append the checked answers to `checked`; return the first problem, or None.

    A turn has one deadline for its answers, and is left behind where it hangs.
    """
    problems: list[Exception] = []
    for turn in range(MOST_LATE):
        rest, done = answers[len(checked) :], list[ModelAnswer]()
        try:
            in_time(
                partial(_check_each, rest, wiring, done),
                guarded_calls.PATIENCE_S,
                key=(competition, wiring.paths[SLOT]),
                part=turn,
            )
        except Exception as error:  # noqa: BLE001  a hang, or whatever ends a thread
            problems.append(error)
            if isinstance(error, StillAtWork):
                continue  # nothing was asked in this turn
            ended = list(done)  # a turn that is left behind may still append to it
            hanging = rest[len(ended) : len(ended) + 1]
            checked += ended + _unjudged(hanging, wiring, error)
        else:
            checked += done
            break
    else:
        checked += _unjudged(answers[len(checked) :], wiring, problems[0])
    return problems[0] if problems else None


def _check_each(
    answers: Sequence[ModelAnswer], wiring: Wiring, done: list[ModelAnswer]
) -> None:
    for answer in answers:
        done.append(check_answer(answer, wiring))  # noqa: PERF401  a hang leaves the first ones


def _unjudged(
    answers: Sequence[ModelAnswer], wiring: Wiring, error: Exception
) -> list[ModelAnswer]:
    why = f"{SLOT} ({wiring.paths[SLOT]}): {message_of(error)}"
    return [_unchecked(answer, wiring, why) for answer in answers]


def _unchecked(answer: ModelAnswer, wiring: Wiring, why: str) -> ModelAnswer:
    """Return an answer that the validator did not judge: FAILED, and why."""
    if answer.outcome != "ANSWERED":
        return check_answer(answer, wiring)  # which does not call it
    return _invalid(answer, why)


def check_answer(answer: ModelAnswer, wiring: Wiring) -> ModelAnswer:
    """Validate one answer; an invalid output makes it FAILED with the reason.

    A scalar becomes the output type's first field. The result of a valid answer is the
    coerced output with its extra keys; of an invalid one, the problem and the model's
    answer as text. A validator that returns None has changed the answer in place.
    """
    if answer.outcome != "ANSWERED":
        if not answer.raw:
            return answer
        return replace(answer, result=_refused_output(answer.reason, answer.raw))
    fields = wiring.config.output_type.model_fields
    is_own = not wiring.is_default(SLOT)
    given = deepcopy(answer.result) if is_own else answer.result
    try:
        output = wiring.call(SLOT, given)
        output = given if output is None else output
        output = as_output(output, fields)
        parsed = wiring.config.output_type.model_validate(output)
        result = {**output, **parsed.model_dump(mode="json")}
        _require_storable(result, wiring.config.max_output_bytes)
    except ValidationError as error:
        return _invalid(answer, first_problem(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001  the operator's validator may raise anything
        return _invalid(answer, message_of(error))
    return replace(answer, result=result)


def _require_storable(output: dict[str, Any], largest_bytes: int) -> None:
    """Raise ValueError for an output that PostgreSQL would refuse, or a large one."""
    try:
        require_size(output, largest_bytes)
    except ValueError:
        require_finite(output)
        raise


def _invalid(answer: ModelAnswer, problem: str) -> ModelAnswer:
    try:
        text = _as_json(answer.result)
    except Exception:  # noqa: BLE001  an answer that came by another way than the wire
        text = brief(answer.result, limit=LONGEST_TEXT)
    return replace(
        answer,
        outcome="FAILED",
        code="INVALID",
        result=_refused_output(problem, text),
        reason=f"invalid output: {problem}",
    )


def _refused_output(problem: str, text: str) -> dict[str, Any]:
    """Return what the row of an invalid answer stores in place of an output."""
    return {"_validation_error": readable(problem), "raw_output": readable(text)}
