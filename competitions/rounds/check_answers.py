"""Check the models' answers: each one alone is valid, or FAILED with a reason."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from competitions.callables.guarded_calls import CallableError, GuardedCalls
from competitions.callables.slot_answers import first_problem, require_finite
from competitions.gateway.types import ModelAnswer
from competitions.shared.answer_rule import as_output, require_size
from competitions.slots import Wiring
from core.texts import LONGEST_TEXT, brief, message_of, readable

_as_json = json.JSONEncoder(ensure_ascii=False).encode


def check_answers(
    answers: Sequence[ModelAnswer], wiring: Wiring, guarded: GuardedCalls
) -> list[ModelAnswer]:
    """Validate all answers of a round; see `check_answer`.

    An operator's validator has one deadline for all of them: answers that it did not
    reach in time are FAILED.
    """
    slot = "INFERENCE_OUTPUT_VALIDATOR"
    if wiring.is_default(slot):
        return [check_answer(answer, wiring) for answer in answers]
    checked: list[ModelAnswer] = []

    def check_all() -> None:
        for answer in answers:
            checked.append(check_answer(answer, wiring))  # noqa: PERF401  a hang leaves the first ones

    try:
        guarded.call(slot, wiring.paths[slot], check_all)
    except CallableError as error:
        done = list(checked)  # a validator that hangs may still append to it
        return done + [
            _invalid(answer, str(error)) if answer.outcome == "ANSWERED" else answer
            for answer in answers[len(done) :]
        ]
    return checked


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
    is_own = not wiring.is_default("INFERENCE_OUTPUT_VALIDATOR")
    given = deepcopy(answer.result) if is_own else answer.result
    try:
        output = wiring.call("INFERENCE_OUTPUT_VALIDATOR", given)
        output = given if output is None else output
        output = as_output(output, fields)
        parsed = wiring.config.output_type.model_validate(output)
        result = {**output, **parsed.model_dump(mode="json")}
        _require_storable(result, wiring.config.max_output_bytes)
    except ValidationError as error:
        return _invalid(answer, first_problem(error))
    except Exception as error:  # noqa: BLE001  the operator's validator may raise anything
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
