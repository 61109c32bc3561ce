"""Find the truth of due rounds, by the rules of competitions/tape_ends.py.

No round ends for want of a candle before its provider was asked. A contract's
`resolve_ground_truth` computes the truth from the records; which records these are, and
when a round ends, follows from the same rules.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from competitions.callables.guarded_calls import Outcomes
from competitions.models import Competition, Round
from competitions.patience import deadline_of, waited_out
from competitions.round_feed import feed_of
from competitions.signatures import takes
from competitions.slots import Wiring
from competitions.tape_ends import (
    WAITING,
    Ends,
    Gaps,
    Hole,
    Truth,
    ends_on_tape,
    priced,
)
from feeds.tape import reads
from feeds.tape.records import FeedKey, span
from scoring.truth.resolver import Resolver

log = structlog.get_logger(__name__)

SLOT = "GROUND_TRUTH_RESOLVER"


def is_own(wiring: Wiring) -> bool:
    """Return whether the operator's code gives the truth."""
    return not wiring.is_default(SLOT) or wiring.config.resolve_ground_truth is not None


@dataclass(frozen=True)
class Resolution:
    """How each due round ends, in order; the missing records for which some wait."""

    truths: list[Truth]
    holes: list[Hole]


def resolve(
    *,
    competition: Competition,
    wiring: Wiring,
    rounds: Sequence[Round],
    now: datetime,
    gaps: Gaps = Gaps.FINAL,
    asked_about: Sequence[Hole] | None = None,
    resolver: Resolver | None = None,
) -> Resolution:
    """Resolve the due rounds; two statements per subject of the tape.

    `gaps` says what a missing record means; with `asked_about`, these alone were asked
    for. An operator's GROUND_TRUTH_RESOLVER is
    called per round instead, and the contract's resolver for each round whose ends are
    on the tape; a round for which one raises waits until its wait is over.
    """
    asked = resolver or Resolver(competition, Outcomes())
    immediate = _raw_data_of_immediate(rounds)
    is_over = waited_out(competition.feed_source, rounds, now)
    truths: list[Truth] = [WAITING] * len(rounds)
    holes: list[Hole] = []
    by_feed: dict[FeedKey, list[int]] = defaultdict(list)
    sought: set[int] = set()
    for i, round_ in enumerate(rounds):
        if round_.tournament_id is not None:
            truths[i] = Truth(round_.actuals, provenance={"from": "posted"})
        elif round_.pk in immediate:
            truths[i] = Truth(immediate[round_.pk], provenance={"from": "input"})
        elif not wiring.is_default(SLOT):
            truths[i] = _truth_of_slot(wiring, asked, round_)
        else:
            by_feed[feed_of(competition, round_.scope, wiring.config)].append(i)
    for feed, places in by_feed.items():
        meaning = gaps
        if gaps is Gaps.LOOK and span(feed.kind, feed.granularity):
            sought.update(places)
        elif gaps is Gaps.LOOK:
            meaning = Gaps.FINAL  # ticks have no grid, so no due instant is known
        found = ends_on_tape(
            feed,
            [rounds[i] for i in places],
            now,
            fraction=wiring.config.max_ground_truth_staleness_fraction,
            is_over=is_over[places],
            gaps=meaning,
            asked=asked_about,
        )
        if found.hole is not None:
            holes.append(found.hole)
        for i, end in zip(places, found.ends, strict=True):
            truths[i] = _truth_between(feed, end, wiring, asked, rounds[i])
    for i, round_ in enumerate(rounds):
        if truths[i].is_waiting and is_over[i] and i not in sought:
            truths[i] = _expired(round_)
    return Resolution(truths, holes)


def _truth_of_slot(wiring: Wiring, asked: Resolver, round_: Round) -> Truth:
    """Return the truth of a round from the operator's slot."""
    path = wiring.paths[SLOT]
    actuals = asked.truth(round_, SLOT, path, partial(wiring.call, SLOT, round_))
    return _usable(actuals, {"from": path})


def _truth_between(
    feed: FeedKey, end: Truth | Ends, wiring: Wiring, asked: Resolver, round_: Round
) -> Truth:
    """Return the truth between a round's ends, by the contract's resolver if any."""
    own = wiring.config.resolve_ground_truth
    if isinstance(end, Truth):
        return end
    if own is None:
        return priced(feed, end)
    path = "contract:resolve_ground_truth"
    call = partial(_from_contract, feed, own, round_)
    actuals = asked.truth(round_, "resolve_ground_truth", path, call, end)
    return _usable(actuals, {**end.provenance(feed), "from": path})


def _raw_data_of_immediate(rounds: Sequence[Round]) -> dict[int, dict[str, Any]]:
    """Return the raw input of rounds without a horizon: it is their truth."""
    ids = [
        r.pk
        for r in rounds
        if r.resolvable_at == r.performed_at and r.tournament_id is None
    ]
    if not ids:
        return {}
    return dict(Round.objects.filter(pk__in=ids).values_list("pk", "raw_data"))


def _usable(actuals: dict[str, Any] | None, provenance: dict[str, Any]) -> Truth:
    """Return the truth with its origin; the round waits on if there is none."""
    return WAITING if actuals is None else Truth(actuals, provenance)


def _from_contract(feed: FeedKey, resolver: Callable[..., Any], round_: Round) -> Any:
    """Call the contract's resolver with the round's closed records, oldest first.

    They reach from the last one that was closed when the models were asked to the last
    one that was closed at the round's end.
    """
    assert round_.performed_at is not None  # only asked rounds are due
    assert round_.resolvable_at is not None
    records = reads.closed_records(
        key=feed, since=round_.performed_at, until=round_.resolvable_at
    )
    return resolver(records, round_) if takes(resolver, 2) else resolver(records)


def _expired(round_: Round) -> Truth:
    assert round_.resolvable_at is not None  # only asked rounds are due
    patience = deadline_of(round_) - round_.resolvable_at
    return Truth(reason=f"no truth came within {patience} after the end of the round")
