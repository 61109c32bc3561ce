"""Find the records of the tape that give a round's two prices, and so its truth.

The price at an instant is the close of the last record that was closed by then. On a
grid of granularity g that record closes at floor(instant / g) * g. A round is settled
once both are on the tape. If one is missing and something newer is there, the gap is
real: the last record before serves if it is fresh enough, else the round can never be
resolved. If nothing newer is there, the round waits, but not for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from competitions.models import Round
from competitions.patience import is_late
from competitions.shared.truth_rule import End, find_end, move_between, problem_of_gap
from feeds.tape import reads
from feeds.tape.records import FeedKey, span


@dataclass(frozen=True, slots=True)
class Truth:
    """The outcome of a round: actuals, or a reason why there are none, or not yet."""

    actuals: dict[str, Any] | None = None
    provenance: dict[str, Any] | None = None
    reason: str = ""
    is_void: bool = False

    @property
    def is_waiting(self) -> bool:
        return self.actuals is None and not self.reason

    @property
    def status(self) -> Round.Status:
        """Return the status of a round with this outcome."""
        if self.is_void:
            return Round.Status.VOID
        if self.actuals is None:
            return Round.Status.UNRESOLVABLE
        return Round.Status.RESOLVED


WAITING = Truth()


class Gaps(Enum):
    """What a gap of the tape means in this pass over the due rounds."""

    # Its rounds wait: the caller fetches the missing records and passes again.
    LOOK = auto()
    FINAL = auto()  # the provider has answered, so no record will come
    # It has not answered: the gap is final once a round's wait is over.
    PROVIDER_DOWN = auto()


@dataclass(frozen=True, slots=True)
class Hole:
    """Records of a feed that close in `[first, last]` are missing on the tape."""

    feed: FeedKey
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Ends:
    """The records used at both ends of one round (epoch seconds), and their prices."""

    entry_at: float
    exit_at: float
    entry_late_s: float
    exit_late_s: float
    entry_price: float
    exit_price: float

    def provenance(self, feed: FeedKey) -> dict[str, Any]:
        return {
            "from": "tape",
            **feed._asdict(),
            "entry_closed_at": _instant(self.entry_at).isoformat(),
            "resolved_closed_at": _instant(self.exit_at).isoformat(),
            "entry_staleness_s": self.entry_late_s,
            "staleness_s": self.exit_late_s,
        }


@dataclass(frozen=True, slots=True)
class TapeEnds:
    """Both ends of each round, or its outcome without them; and what the tape lacks.

    The hole spans all records that are missing; None unless it was looked for.
    """

    ends: list[Truth | Ends]
    hole: Hole | None = None


def ends_on_tape(
    feed: FeedKey,
    rounds: Sequence[Round],
    now: datetime,
    *,
    fraction: float,
    is_over: NDArray[np.bool_],
    gaps: Gaps,
    asked: Sequence[Hole] | None = None,
) -> TapeEnds:
    """Find both ends of rounds of one feed, in columns; two statements.

    `fraction` of its horizon is how much earlier than due an end may close (0 allows
    any); `is_over` marks rounds whose wait is over (`patience.waited_out`). With
    `asked`, a gap is final only where the provider was asked about these records.
    """
    performed = _epochs([r.performed_at for r in rounds])
    resolvable = _epochs([r.resolvable_at for r in rounds])
    step_s = span(feed.kind, feed.granularity).total_seconds()
    # Read before the prices: otherwise a candle that arrives in between would seem to
    # be missing before a newer one.
    newest = reads.newest_closed(key=feed, at=now, limit=1)
    newest_s = newest[-1].closes_at.timestamp() if newest else -np.inf
    prices = reads.closed_prices(
        key=feed, since=_instant(performed.min()), until=_instant(resolvable.max())
    )
    entry = find_end(prices.closed_at, prices.price, performed, step_s, newest_s)
    exit_ = find_end(prices.closed_at, prices.price, resolvable, step_s, newest_s)
    hole = None
    if gaps is Gaps.LOOK:
        hole = _hole(feed, (entry, exit_), is_late(rounds, now))
    entry, exit_ = (
        replace(
            end,
            is_settled=(end.late_s == 0)
            | (end.is_settled & _final(gaps, is_over, _was_asked(feed, end, asked))),
        )
        for end in (entry, exit_)
    )
    allowed = (resolvable - performed) * fraction if fraction else np.inf
    limits = np.broadcast_to(allowed, performed.shape)
    ends = [_decide(entry, exit_, i, float(limit)) for i, limit in enumerate(limits)]
    return TapeEnds(ends, hole)


def _final(
    gaps: Gaps, is_over: NDArray[np.bool_], was_asked: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Mark the rounds for which a gap is final."""
    if gaps is Gaps.PROVIDER_DOWN:
        return is_over
    return was_asked & (gaps is Gaps.FINAL)


def _was_asked(
    feed: FeedKey, end: End, asked: Sequence[Hole] | None
) -> NDArray[np.bool_]:
    """Mark the rounds whose due record lies in a hole; all if none are given."""
    was = np.full(end.expected.shape, asked is None)
    for hole in asked or ():
        if hole.feed == feed:
            first, last = hole.first.timestamp(), hole.last.timestamp()
            was |= (first <= end.expected) & (end.expected <= last)
    return was


def _hole(feed: FeedKey, ends: Sequence[End], late: NDArray[np.bool_]) -> Hole | None:
    """Return what the tape lacks of both ends of rounds; None if it lacks nothing."""
    wanted = np.array(
        [
            np.where((end.late_s > 0) & (end.is_settled | late), end.expected, np.nan)
            for end in ends
        ]
    )
    if np.isnan(wanted).all():
        return None
    return Hole(feed, _instant(np.nanmin(wanted)), _instant(np.nanmax(wanted)))


def _decide(entry: End, exit_: End, i: int, allowed_s: float) -> Truth | Ends:
    for name, end in (("entry", entry), ("exit", exit_)):
        if not end.is_settled[i]:
            return WAITING
        if problem := problem_of_gap(name, end, i, allowed_s):
            return Truth(reason=problem)
    return Ends(
        *(float(end.closed_at[i]) for end in (entry, exit_)),
        *(float(end.late_s[i]) for end in (entry, exit_)),
        *(float(end.price[i]) for end in (entry, exit_)),
    )


def priced(feed: FeedKey, ends: Ends) -> Truth:
    """Return the return between both ends, or a reason if the records give none."""
    actuals, reason = move_between(ends.entry_price, ends.exit_price)
    if actuals is None:
        return Truth(reason=reason)
    return Truth(actuals=actuals, provenance=ends.provenance(feed))


def _epochs(instants: Sequence[datetime | None]) -> NDArray[np.float64]:
    return np.array([instant.timestamp() for instant in instants if instant])


def _instant(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(float(epoch_s), UTC)
