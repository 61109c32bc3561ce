"""Call the operator's resolver of truth, with a time limit and outside of locks."""

from collections.abc import Callable, Hashable
from typing import Any

import structlog
from pydantic import BaseModel

from competitions.callables.guarded_calls import Outcomes
from competitions.callables.slot_answers import json_object
from competitions.models import Competition, Round
from competitions.tape_ends import Ends
from core.deadline import MOST_LATE, Late, in_time
from core.texts import describe
from scoring.scores.budget import Budget

log = structlog.get_logger(__name__)

# How long, in real time, an operator's resolver may take for a round.
RESOLVER_PATIENCE_S = 10.0


class Resolver:
    """The operator's resolver in one pass over the due rounds, and its answers.

    A round for which it hangs is not asked about again meanwhile. If it hangs for
    MOST_LATE, or is too slow for all rounds, it is not called again in the pass. Once
    `is_sealed`, it is not called at all: earlier answers are repeated, so that the
    caller may hold locks.
    """

    def __init__(self, competition: Competition, outcomes: Outcomes) -> None:
        self._competition, self._outcomes = competition, outcomes
        self._answers: dict[Hashable, dict[str, Any]] = {}
        self._budget, self._hangs = Budget(), 0
        self.is_sealed = False

    def truth(
        self,
        round_: Round,
        name: str,
        path: str,
        call: Callable[[], Any],
        ends: Ends | None = None,
    ) -> dict[str, Any] | None:
        """Return the actuals of a round; None where there is no usable answer."""
        place = (round_.pk, ends)
        if not self.is_sealed and place not in self._answers:
            actuals = self._ask(round_, name, path, call)
            if actuals is not None:
                self._answers[place] = actuals
        return self._answers.get(place)

    def _ask(
        self, round_: Round, name: str, path: str, call: Callable[[], Any]
    ) -> dict[str, Any] | None:
        patience_s = min(RESOLVER_PATIENCE_S, self._budget.left_s)
        if self._hangs == MOST_LATE or not patience_s:
            return None
        key = (self._competition.pk, name, path)
        try:
            actuals = in_time(call, patience_s, key=key, part=round_.pk)
            if isinstance(actuals, BaseModel):
                actuals = actuals.model_dump(mode="json")
            checked = None if actuals is None else json_object(actuals, "the truth")
        except Exception as error:
            self._hangs += isinstance(error, Late)
            log.exception("truth.failed", round=round_.pk, error=describe(error))
            self._outcomes.failed(name, path, describe(error))
            return None
        self._outcomes.worked(name)
        return checked
