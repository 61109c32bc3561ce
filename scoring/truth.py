"""What was true of the due rounds, by the rules of competitions/truth.py.

No round ends for want of a candle before its provider was asked. A contract's
`resolve_ground_truth` decides what the records say, by the same rules of when and of
which.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from pydantic import BaseModel

from competitions.models import Competition, Input
from competitions.signatures import takes
from competitions.slot_answers import json_object
from competitions.slots import Wiring
from competitions.truth import (
    WAITING,
    Feed,
    Hole,
    Truth,
    deadline_of,
    ends_on_tape,
    priced,
    subject_of,
)
from core.deadline import Late, in_time
from feeds.tape import reads

log = structlog.get_logger(__name__)

# How long, on the wall, an operator's resolver may take for a round, and how often it
# may not in one pass.
RESOLVER_PATIENCE_S = 10.0
MOST_HANGS = 3


def resolve(
    *,
    competition: Competition,
    wiring: Wiring,
    rounds: Sequence[Input],
    now: datetime,
    holes: list[Hole] | None = None,
    is_filled: bool = True,
) -> list[Truth]:
    """The truth of each due round; two statements per subject of the tape.

    With a list for `holes`, what the tape lacks is noted there and its rounds wait, so
    that the caller can look for it; without, a gap is final: for all rounds if the
    provider has answered (`is_filled`), else for those past their deadline. An
    operator's GROUND_TRUTH_RESOLVER is called per round instead, and the contract's
    resolver for each round whose ends are there; one that raises leaves its round
    waiting until the deadline.
    """
    truths: list[Truth] = [WAITING] * len(rounds)
    asked = _Patient()
    on_tape: dict[str, list[int]] = defaultdict(list)
    sought: set[int] = set()
    immediate = _raw_data_of_immediate(rounds)
    for i, round_ in enumerate(rounds):
        if round_.pk in immediate:
            truths[i] = Truth(immediate[round_.pk], provenance={"from": "input"})
        elif not wiring.is_default("GROUND_TRUTH_RESOLVER"):
            slot = wiring.paths["GROUND_TRUTH_RESOLVER"]
            truths[i] = asked.truth(
                round_, slot, partial(wiring.call, "GROUND_TRUTH_RESOLVER", round_)
            )
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
            feed, chosen, fraction, now, holes=feed_holes, is_filled=is_filled
        )
        resolver = wiring.config.resolve_ground_truth
        for i, end in zip(places, ends, strict=True):
            if isinstance(end, Truth):
                truths[i] = end
            elif resolver is None:
                truths[i] = priced(feed, end)
            else:
                truths[i] = asked.truth(
                    rounds[i],
                    "contract:resolve_ground_truth",
                    partial(_from_contract, feed, resolver, rounds[i]),
                    end.provenance(feed),
                )
    return [
        _expired(round_, now) if truth.is_waiting and i not in sought else truth
        for i, (round_, truth) in enumerate(zip(rounds, truths, strict=True))
    ]


def _raw_data_of_immediate(rounds: Sequence[Input]) -> dict[int, dict[str, Any]]:
    """The raw input of rounds without a horizon: their truth is known at once."""
    ids = [r.pk for r in rounds if r.resolvable_at == r.performed_at]
    if not ids:
        return {}
    return dict(Input.objects.filter(pk__in=ids).values_list("pk", "raw_data"))


def _from_contract(feed: Feed, resolver: Callable[..., Any], round_: Input) -> Any:
    """What the contract makes of the round's closed records, oldest first.

    They reach from the last one that was closed when the models were asked to the last
    one that was closed at the end.
    """
    assert round_.performed_at is not None  # only asked rounds are due
    assert round_.resolvable_at is not None
    records = reads.closed_records(
        **feed.dimensions, since=round_.performed_at, until=round_.resolvable_at
    )
    return resolver(records, round_) if takes(resolver, 2) else resolver(records)


class _Patient:
    """Asks an operator's callable; one that keeps hanging is left alone for a pass."""

    def __init__(self) -> None:
        self._hangs = 0

    def truth(
        self,
        round_: Input,
        name: str,
        resolver: Callable[[], Any],
        provenance: Mapping[str, Any] | None = None,
    ) -> Truth:
        """What it says; a round of which it says nothing usable goes on waiting."""
        if self._hangs >= MOST_HANGS:
            return WAITING
        try:
            actuals = in_time(resolver, RESOLVER_PATIENCE_S)
            if isinstance(actuals, BaseModel):
                actuals = actuals.model_dump(mode="json")
            if actuals is None:
                return WAITING
            actuals = json_object(actuals, "the truth")
        except Exception as error:
            self._hangs += isinstance(error, Late)
            log.exception("truth.failed", round=round_.pk, error=str(error))
            return WAITING
        return Truth(actuals=actuals, provenance={**(provenance or {}), "from": name})


def _expired(round_: Input, now: datetime) -> Truth:
    deadline, resolvable_at = deadline_of(round_), round_.resolvable_at
    if now <= deadline:
        return WAITING
    assert resolvable_at is not None
    patience = deadline - resolvable_at
    return Truth(reason=f"no truth came within {patience} after the end of the round")
