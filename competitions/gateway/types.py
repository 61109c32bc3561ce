"""Calls to models and their answers, as plain data without the client."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from competitions.contract import LARGEST_OUTPUT_BYTES, ArgumentType
from core.texts import one_line, readable

Outcome = Literal["ANSWERED", "FAILED", "ABSENT"]
State = Literal["RUNNING", "RECOVERING", "STOPPED"]
# Longest texts that the rows of competitions/models/participants.py hold.
LONGEST_ID, LONGEST_NAME = 120, 200


@dataclass(frozen=True)
class ModelIdentity:
    """A model as the orchestrator announces it; its texts fit their columns.

    `error` is the error of its newest connection or setup, empty when that worked.
    """

    model_id: str
    name: str
    deployment_id: str
    cruncher_id: str
    cruncher_name: str
    wallet: str
    state: State
    error: str = ""

    def __post_init__(self) -> None:
        for name in ("model_id", "cruncher_id", "wallet"):
            _clean(self, name, one_line(getattr(self, name), limit=LONGEST_ID))
        for name in ("name", "deployment_id", "cruncher_name"):
            _clean(self, name, one_line(getattr(self, name), limit=LONGEST_NAME))
        _clean(self, "error", readable(self.error))


@dataclass(frozen=True)
class Argument:
    """One value and its type on the wire."""

    type: ArgumentType
    value: Any


@dataclass(frozen=True)
class Call:
    """A method of the models and its arguments.

    Positional order is the contract; a keyword reaches only models that name it. An
    answer of more than `largest_answer_bytes` on the wire is refused undecoded. `label`
    is a number that the runner marks the model's log with, if it does such a thing.
    """

    method: str
    args: tuple[Argument, ...] = ()
    kwargs: Mapping[str, Argument] = field(default_factory=dict)
    largest_answer_bytes: int = LARGEST_OUTPUT_BYTES
    label: str = field(default="", compare=False)


@dataclass(frozen=True)
class ModelAnswer:
    """The outcome of asking one model.

    ANSWERED has a `result`; FAILED and ABSENT have a `reason` for the model's owner and
    a `code` for everybody, at least the outcome, and FAILED the model's own words in
    `raw` where they are the reason. `warning` is
    the error of a feed update that failed although the question was answered. All texts
    are readable. `exec_time_us` is from dispatch to answer, None when the model was not
    asked; `dispatched_us` is the time since the round's first model was asked.
    """

    model_id: str
    outcome: Outcome
    result: Any = None
    reason: str = ""
    warning: str = ""
    exec_time_us: int | None = None
    dispatched_us: int | None = None
    raw: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        if not self.code and self.outcome != "ANSWERED":
            _clean(self, "code", self.outcome)
        # Rarely needed, and there are many answers.
        if self.reason or self.warning or self.raw:
            for name in ("reason", "warning", "raw"):
                _clean(self, name, readable(getattr(self, name)))


@dataclass(frozen=True)
class RoundAnswers:
    """One answer for every expected model, then one for each that joined meanwhile.

    `timing` holds durations since `ask` was called, in microseconds: `waited_us` for
    the round before, `dispatched_us` to the first question, `completed_us` to the last
    answer; `skew_us` is the time between the first and the last model's question.
    """

    answers: list[ModelAnswer]
    joined: list[ModelIdentity]
    timing: Mapping[str, int]


def _clean(target: ModelIdentity | ModelAnswer, name: str, text: str) -> None:
    """Set a field of a frozen instance to a text that fits its column."""
    object.__setattr__(target, name, text)
