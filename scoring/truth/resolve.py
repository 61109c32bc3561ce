"""What was true of the due rounds, by the rules of competitions/tape_ends.py.

No round ends for want of a candle before its provider was asked. A contract's
`resolve_ground_truth` decides what the records say, by the same rules of when and of
which.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from pydantic import BaseModel

from competitions.callables.door import Outcomes
from competitions.callables.slot_answers import json_object
from competitions.models import Competition, Round
from competitions.signatures import takes
from competitions.slots import Wiring
from competitions.tape_ends import (
    WAITING,
    Ends,
    Feed,
    Hole,
    Truth,
    deadline_of,
    ends_on_tape,
    priced,
    subject_of,
    waited_out,
)
from core.deadline import Late, in_time
from core.texts import describe
from feeds.tape import reads
from scoring.scores.budget import Budget

log = structlog.get_logger(__name__)

SLOT = "GROUND_TRUTH_RESOLVER"
# How long, on the wall, an operator's resolver may take for a round.
RESOLVER_PATIENCE_S = 10.0


def is_own(wiring: Wiring) -> bool:
    """Whether code of the operator's says what was true."""
    return not wiring.is_default(SLOT) or wiring.config.resolve_ground_truth is not None


def resolve(
    *,
    competition: Competition,
    wiring: Wiring,
    rounds: Sequence[Round],
    now: datetime,
    holes: list[Hole] | None = None,
    is_filled: bool = True,
    resolver: "Resolver | None" = None,
) -> list[Truth]:
    """The truth of each due round; two statements per subject of the tape.

    With a list for `holes`, what the tape lacks is noted there and its rounds wait, so
    that the caller can look for it; without, a gap is final: for all rounds if the
    provider has answered (`is_filled`), else for those whose wait is over
    (`waited_out`). An operator's GROUND_TRUTH_RESOLVER is called per round instead, and
    the contract's resolver for each round whose ends are there; one that raises leaves
    its round waiting as long.
    """
    truths: list[Truth] = [WAITING] * len(rounds)
    asked = resolver or Resolver(competition, Outcomes())
    on_tape: dict[str, list[int]] = defaultdict(list)
    sought: set[int] = set()
    immediate = _raw_data_of_immediate(rounds)
    is_over = waited_out(competition.feed_source, rounds, now)
    for i, round_ in enumerate(rounds):
        if round_.pk in immediate:
            truths[i] = Truth(immediate[round_.pk], provenance={"from": "input"})
        elif not wiring.is_default(SLOT):
            path = wiring.paths[SLOT]
            actuals = asked.truth(
                round_, SLOT, path, partial(wiring.call, SLOT, round_)
            )
            truths[i] = _said(actuals, {"from": path})
        else:
            on_tape[subject_of(round_, wiring.config)].append(i)
    fraction = wiring.config.max_ground_truth_staleness_fraction
    for subject, places in on_tape.items():
        feed = Feed.of(competition, subject)
        if not feed.step_s:
            feed_holes = None  # nobody knows when a tick is due
        elif (feed_holes := holes) is not None:
            sought.update(places)
        chosen = [rounds[i] for i in places]
        ends = ends_on_tape(
            feed,
            chosen,
            fraction,
            now,
            is_over=is_over[places],
            holes=feed_holes,
            is_filled=is_filled,
        )
        own = wiring.config.resolve_ground_truth
        for i, end in zip(places, ends, strict=True):
            if isinstance(end, Truth):
                truths[i] = end
            elif own is None:
                truths[i] = priced(feed, end)
            else:
                path = "contract:resolve_ground_truth"
                actuals = asked.truth(
                    rounds[i],
                    "resolve_ground_truth",
                    path,
                    partial(_from_contract, feed, own, rounds[i]),
                    end,
                )
                truths[i] = _said(actuals, {**end.provenance(feed), "from": path})
    return [
        _expired(round_)
        if truth.is_waiting and is_over[i] and i not in sought
        else truth
        for i, (round_, truth) in enumerate(zip(rounds, truths, strict=True))
    ]


def _raw_data_of_immediate(rounds: Sequence[Round]) -> dict[int, dict[str, Any]]:
    """The raw input of rounds without a horizon: their truth is known at once."""
    ids = [r.pk for r in rounds if r.resolvable_at == r.performed_at]
    if not ids:
        return {}
    return dict(Round.objects.filter(pk__in=ids).values_list("pk", "raw_data"))


def _said(actuals: dict[str, Any] | None, provenance: dict[str, Any]) -> Truth:
    """A round of which the operator's resolver says nothing usable goes on waiting."""
    return WAITING if actuals is None else Truth(actuals, provenance)


def _from_contract(feed: Feed, resolver: Callable[..., Any], round_: Round) -> Any:
    """What the contract makes of the round's closed records, oldest first.

    They reach from the last one that was closed when the models were asked to the last
    one that was closed at the end.
    """
    assert round_.performed_at is not None  # only asked rounds are due
    assert round_.resolvable_at is not None
    records = reads.closed_records(
        key=feed.key, since=round_.performed_at, until=round_.resolvable_at
    )
    return resolver(records, round_) if takes(resolver, 2) else resolver(records)


class Resolver:
    """The operator's resolver for one pass over the due rounds, and what it said.

    One that hangs is left alone for the rest of the pass, and so is one that is too
    slow for all of them. Once `is_sealed`, it calls nobody and says again what was said
    before, so that the caller may hold locks.
    """

    def __init__(self, competition: Competition, outcomes: Outcomes) -> None:
        self._competition, self._outcomes = competition, outcomes
        self._said: dict[Hashable, dict[str, Any]] = {}
        self._budget, self._has_hung = Budget(), False
        self.is_sealed = False

    def truth(
        self,
        round_: Round,
        name: str,
        path: str,
        call: Callable[[], Any],
        ends: Ends | None = None,
    ) -> dict[str, Any] | None:
        """Return what it says of a round; None where it says nothing usable."""
        place = (round_.pk, ends)
        if not self.is_sealed and place not in self._said:
            actuals = self._ask(round_, name, path, call)
            if actuals is not None:
                self._said[place] = actuals
        return self._said.get(place)

    def _ask(
        self, round_: Round, name: str, path: str, call: Callable[[], Any]
    ) -> dict[str, Any] | None:
        patience_s = min(RESOLVER_PATIENCE_S, self._budget.left_s)
        if self._has_hung or not patience_s:
            return None
        try:
            actuals = in_time(call, patience_s, key=(self._competition.pk, name, path))
            if isinstance(actuals, BaseModel):
                actuals = actuals.model_dump(mode="json")
            if actuals is not None:
                actuals = json_object(actuals, "the truth")
        except Exception as error:
            self._has_hung = isinstance(error, Late)
            log.exception("truth.failed", round=round_.pk, error=describe(error))
            self._outcomes.failed(name, path, describe(error))
            return None
        self._outcomes.worked(name)
        return actuals


def _expired(round_: Round) -> Truth:
    assert round_.resolvable_at is not None  # only asked rounds are due
    patience = deadline_of(round_) - round_.resolvable_at
    return Truth(reason=f"no truth came within {patience} after the end of the round")
