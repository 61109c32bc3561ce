"""Turn stored outputs and truths into score rows; a bad prediction fails alone."""

import threading
from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connections
from pydantic import BaseModel, TypeAdapter, ValidationError

from competitions.slots import Wiring
from core.misfits import first_misfit
from core.rounding import LARGEST
from core.texts import brief, describe, has_nul, readable
from scoring.scores.budget import Budget

# Maximum characters of a scorer's answer, as JSON.
LARGEST_RESULT = 64 * 2**10
# How long, in real time, one call of a scorer may take, and how many may hang.
SCORER_PATIENCE_S = 10.0
MOST_HANGS = 3


class NewScore(NamedTuple):
    """A score as it is stored; `result` is the scorer's answer as JSON text."""

    value: float | None
    success: bool
    failed_reason: str
    result: str


# The participant's model id, and the prediction's key.
Name = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason why a prediction got no score."""

    reason: str

    @property
    def scored(self) -> NewScore:
        reason = readable(self.reason)
        return NewScore(value=None, success=False, failed_reason=reason, result="{}")


def score_all(
    *,
    wiring: Wiring,
    outputs: Sequence[str],
    truths: Sequence[BaseModel],
    names: Sequence[Name],
) -> list[NewScore]:
    """Score each output (JSON text) against the truth at its place.

    Objects of the contract's output type go into the scorer, which finds `model_id` and
    `prediction_id` on them, whatever a model answered under these names. Its answers
    are checked against the score type; what fails on the way is a failed score with the
    reason.
    """
    predictions = _checked(
        TypeAdapter(list[wiring.config.output_type]).validate_json,  # type: ignore[name-defined]
        list(outputs),
        lambda texts: f"[{','.join(texts)}]",
        "the stored output does not fit the output type",
    )
    for prediction, name in zip(predictions, names, strict=True):
        if not isinstance(prediction, Failure):
            # Past pydantic: the type need not declare them, and may be frozen.
            attributes = vars(prediction)
            attributes["model_id"], attributes["prediction_id"] = name
    answers = call_scorer(
        scorer=wiring["SCORING_FUNCTION"], predictions=predictions, truths=truths
    )
    score_type = wiring.config.score_type
    results = _checked(
        TypeAdapter(list[score_type]).validate_python,  # type: ignore[valid-type]
        [_plain(answer, score_type) for answer in answers],
        list,
        "the score does not fit the score type",
    )
    value_field = wiring.config.aggregation.value_field
    to_json = TypeAdapter(score_type).serializer.to_json
    return [_scored(result, value_field, to_json) for result in results]


def call_scorer(
    *,
    scorer: Callable[..., Any],
    predictions: Sequence[Any],
    truths: Sequence[BaseModel],
) -> list[Any]:
    """Return the scorer's answers in order, with a Failure for each missing one.

    A call that does not return in time fails that prediction. After repeated hangs, or
    when the batch's time is over, the rest fails too.
    """
    budget = Budget()
    missing_reason = "not scored: the scorer kept hanging"
    pairs = list(zip(predictions, truths, strict=True))
    answers: list[Any] = []
    left = [run for run in _left.pop(id(scorer), []) if run.is_at_work]
    if len(left) >= MOST_HANGS:
        missing_reason = "not scored: earlier calls of the scorer are still running"
    for _ in range(MOST_HANGS - len(left)):
        run = _Run(scorer, pairs[len(answers) :])
        answers += run.answers_in_time(budget)
        if len(answers) == len(pairs):
            break
        left.append(run)
        if not budget.left_s:
            missing_reason = budget.reason
            break
        answers.append(Failure(f"the scorer took longer than {SCORER_PATIENCE_S:g} s"))
    if left:
        _left[id(scorer)] = left
    missing = len(pairs) - len(answers)
    return answers + [Failure(missing_reason)] * missing


# Calls that were left behind, by scorer: while MOST_HANGS are at work, none is added.
_left: dict[int, list["_Run"]] = {}


class _Run:
    """The calls of a scorer in a separate thread, which may be abandoned."""

    def __init__(self, scorer: Callable[..., Any], pairs: Sequence[Any]) -> None:
        self._scorer, self._pairs = scorer, pairs
        self._answers: list[Any] = []
        self._is_left = False
        self._thread = threading.Thread(target=self._work, daemon=True)

    def answers_in_time(self, budget: Budget) -> list[Any]:
        """Start the calls, and wait as long as answers arrive, within the budget."""
        self._thread.start()
        seen = -1
        while self._thread.is_alive() and len(self._answers) > seen:
            seen = len(self._answers)
            self._thread.join(min(SCORER_PATIENCE_S, budget.left_s))
            if not budget.left_s:
                break
        self._is_left = True
        return list(self._answers)

    @property
    def is_at_work(self) -> bool:
        return self._thread.is_alive()

    def _work(self) -> None:
        for prediction, truth in self._pairs:
            answer = self._answer(prediction, truth)
            if self._is_left:
                break
            self._answers.append(answer)
        # Connections of this thread, if the scorer has used any.
        connections.close_all()

    def _answer(self, prediction: Any, truth: BaseModel) -> Any:
        if isinstance(prediction, Failure):
            return prediction
        try:
            answer = self._scorer(prediction, _apart(truth))
            # It may be an object that the scorer fills again for the next one.
            return copy(answer) if isinstance(answer, (dict, BaseModel)) else answer
        except BaseException as error:  # noqa: BLE001  even sys.exit() ends here
            return Failure(describe(error))


_ATOMS = (float, int, str, type(None))


def _apart(truth: BaseModel) -> BaseModel:
    """Return a copy of a truth, which all answers of its round share.

    What a scorer changes in it, the next answer does not see.
    """
    values = [*vars(truth).values(), *(truth.model_extra or {}).values()]
    is_flat = all(isinstance(value, _ATOMS) for value in values)
    return copy(truth) if is_flat else deepcopy(truth)


def _plain(answer: Any, score_type: type[BaseModel]) -> Any:
    """Convert an answer of another pydantic type to a dict."""
    if isinstance(answer, BaseModel) and not isinstance(answer, score_type):
        return dict(answer)
    return answer


def _checked(
    validate: Callable[[Any], list[Any]],
    items: list[Any],
    pack: Callable[[list[Any]], Any],
    problem: str,
) -> list[Any]:
    """Validate many items in one call; an invalid item becomes a Failure."""
    places = [i for i, item in enumerate(items) if not isinstance(item, Failure)]
    checked = list(items)
    try:
        valid = validate(pack([items[i] for i in places]))
    except Exception:  # noqa: BLE001  a type's own validator may raise anything
        for i in places:
            checked[i] = _checked_alone(validate, pack([items[i]]), problem)
        return checked
    for i, item in zip(places, valid, strict=True):
        checked[i] = item
    return checked


def _checked_alone(
    validate: Callable[[Any], list[Any]], packed: Any, problem: str
) -> Any:
    try:
        return validate(packed)[0]
    except ValidationError as error:
        return Failure(f"{problem}: {first_misfit(error, below=1)}")
    except Exception as error:  # noqa: BLE001  as above
        return Failure(f"{problem}: {describe(error)}")


def _scored(result: Any, value_field: str, to_json: Callable[[Any], bytes]) -> NewScore:
    if isinstance(result, Failure):
        return result.scored
    if not getattr(result, "success", True):
        reason = getattr(result, "failed_reason", None)
        return Failure(str(reason or "the scorer gave no reason")).scored
    value: Any = getattr(result, value_field, None)
    if problem := _problem_of(value):
        return Failure(f"{value_field} was {problem}").scored
    try:
        text = to_json(result).decode()
    except Exception as error:  # noqa: BLE001  extra keys may hold anything
        return Failure(f"the score is not JSON: {describe(error)}").scored
    if problem := _problem_of_result(text):
        return Failure(f"the score {problem}").scored
    return NewScore(value=float(value), success=True, failed_reason="", result=text)


def _problem_of_result(text: str) -> str:
    """Return why a score's JSON cannot be stored; empty if it can."""
    if len(text) > LARGEST_RESULT:
        return f"has {len(text)} characters; at most {LARGEST_RESULT} are kept"
    if has_nul(text):
        return "has a NUL character, which JSON columns cannot hold"
    return ""


def _problem_of(value: Any) -> str:
    """Return why a value is not a score; empty if it is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"{brief(value)}; a score is a number"
    if abs(value) <= LARGEST:  # NaN is not
        return ""
    # An integer may be too large to be a float, or to be printed.
    shown = f"{value:g}" if isinstance(value, float) else "an integer"
    return f"{shown}; a score is finite, within {LARGEST:g}"
