"""What was true of a round by the tape: which records serve at its two ends.

The price at an instant is the close of the last record that was closed by then. On a
grid of granularity g that record closes at floor(instant / g) * g. A round is settled
once both are on the tape. If one is missing and something newer is there, the gap is
real: the last record before serves if it is fresh enough, else the round can never be
resolved. If nothing newer is there, the round waits, but not for ever.

A clock alone ends no round: one that is a day ahead for a moment would end all that are
in flight. It is believed once the tape has moved on too, or after it has said the same
for an hour.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from competitions.contract import CrunchConfig
from competitions.models import Competition, Round
from feeds import granularity
from feeds.tape import reads
from feeds.tape.records import FeedKey

# How long after its end a round waits for the tape, in site time.
PATIENCE = timedelta(hours=1)
PATIENCE_IN_HORIZONS = 10
# How long a clock that nothing on the tape bears out must have said that it is over.
DOUBT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Truth:
    """How a round ends: with actuals, with a reason why there are none, or not yet."""

    actuals: dict[str, Any] | None = None
    provenance: dict[str, Any] | None = None
    reason: str = ""
    is_void: bool = False

    @property
    def is_waiting(self) -> bool:
        return self.actuals is None and not self.reason

    @property
    def status(self) -> Round.Status:
        """The status of a round that ends so."""
        if self.is_void:
            return Round.Status.VOID
        if self.actuals is None:
            return Round.Status.UNRESOLVABLE
        return Round.Status.RESOLVED


WAITING = Truth()


@dataclass(frozen=True, slots=True)
class Hole:
    """Records of a feed that close in `[first, last]` are missing on the tape."""

    source: str
    subject: str
    kind: str
    granularity: str
    step_s: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Feed:
    """The four dimensions of the feed that a round is resolved from."""

    source: str
    subject: str
    kind: str
    granularity: str

    @classmethod
    def of(cls, competition: Competition, subject: str) -> "Feed":
        """Return the feed of a competition that is about this subject."""
        return cls(
            source=competition.feed_source,
            subject=subject,
            kind=competition.feed_kind,
            granularity=competition.feed_granularity,
        )

    @property
    def key(self) -> FeedKey:
        return FeedKey(self.source, self.subject, self.kind, self.granularity)

    @property
    def dimensions(self) -> dict[str, str]:
        return {
            "source": self.source,
            "subject": self.subject,
            "kind": self.kind,
            "granularity": self.granularity,
        }

    @property
    def step_s(self) -> int:
        """Seconds between two closes; 0 for records that come when they come."""
        return granularity.seconds(self.granularity) if self.kind == "candle" else 0


@dataclass(frozen=True, slots=True)
class End:
    """One end of many rounds: which record serves, and how far it is from the due one.

    `expected` is when the due record closes. `closed_at` (-inf) and `price` (NaN) are
    those of the last record by then, unknown if the tape has none; `late_s` is how much
    earlier than expected it closed; `is_settled`: waiting for a better one is vain.
    """

    expected: NDArray[np.float64]
    closed_at: NDArray[np.float64]
    price: NDArray[np.float64]
    late_s: NDArray[np.float64]
    is_settled: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ends:
    """Which records serve at both ends of one round, in epoch seconds, and prices."""

    entry_at: float
    exit_at: float
    entry_late_s: float
    exit_late_s: float
    entry_price: float
    exit_price: float

    def provenance(self, feed: Feed) -> dict[str, Any]:
        return {
            "from": "tape",
            **feed.dimensions,
            "entry_closed_at": _instant(self.entry_at).isoformat(),
            "resolved_closed_at": _instant(self.exit_at).isoformat(),
            "entry_staleness_s": self.entry_late_s,
            "staleness_s": self.exit_late_s,
        }


def ends_on_tape(
    feed: Feed,
    rounds: Sequence[Round],
    fraction: float,
    now: datetime,
    *,
    is_over: NDArray[np.bool_],
    holes: list[Hole] | None,
    is_filled: bool,
) -> list[Truth | Ends]:
    """Both ends of rounds of one subject, or why there are none (yet), in columns.

    `is_over` says of which rounds the wait is over (`waited_out`).
    """
    performed = _epochs([r.performed_at for r in rounds])
    resolvable = _epochs([r.resolvable_at for r in rounds])
    # Before the prices: a candle that arrives in between must not make a gap of the
    # one before it, which arrived with it.
    newest = reads.newest_closed(key=feed.key, at=now, limit=1)
    newest_s = (
        newest[-1].ts_event.timestamp() + feed.step_s if newest else float("-inf")
    )
    prices = reads.closed_prices(
        key=feed.key,
        since=_instant(performed.min()),
        until=_instant(resolvable.max()),
    )
    entry = find_end(prices.closed_at, prices.price, performed, feed.step_s, newest_s)
    exit_ = find_end(prices.closed_at, prices.price, resolvable, feed.step_s, newest_s)
    is_final = np.full(is_over.shape, True) if is_filled else is_over
    if holes is not None:
        wanted = np.array(
            [
                np.where(
                    (end.late_s > 0) & (end.is_settled | is_late(rounds, now)),
                    end.expected,
                    np.nan,
                )
                for end in (entry, exit_)
            ]
        )
        if not np.isnan(wanted).all():
            first, last = _instant(np.nanmin(wanted)), _instant(np.nanmax(wanted))
            holes.append(
                Hole(**feed.dimensions, step_s=feed.step_s, first=first, last=last)
            )
        is_final = np.full(is_over.shape, False)
    entry, exit_ = (
        replace(end, is_settled=(end.late_s == 0) | (end.is_settled & is_final))
        for end in (entry, exit_)
    )
    allowed = (resolvable - performed) * fraction if fraction else np.inf
    return [
        _decide(entry, exit_, i, float(limit))
        for i, limit in enumerate(np.broadcast_to(allowed, performed.shape))
    ]


def find_end(
    closed_at: NDArray[np.float64],
    price: NDArray[np.float64],
    instants: NDArray[np.float64],
    step_s: int,
    newest_s: float,
) -> End:
    """For each instant the last record that was closed by then (epoch seconds)."""
    expected = np.floor(instants / step_s) * step_s if step_s else instants
    place = np.searchsorted(closed_at, instants, side="right") - 1
    has_one = place >= 0
    found = np.full(instants.shape, -np.inf)
    worth = np.full(instants.shape, np.nan)
    found[has_one] = closed_at[place[has_one]]
    worth[has_one] = price[place[has_one]]
    late = np.maximum(expected - found, 0.0)
    return End(
        expected=expected,
        closed_at=found,
        price=worth,
        late_s=late,
        is_settled=(late == 0.0) | (newest_s > expected),
    )


def _decide(entry: End, exit_: End, i: int, allowed_s: float) -> Truth | Ends:
    for name, end in (("entry", entry), ("exit", exit_)):
        if not end.is_settled[i]:
            return WAITING
        if end.late_s[i] > allowed_s or np.isinf(end.closed_at[i]):
            missing = (
                "the tape has no record before it"
                if np.isinf(end.closed_at[i])
                else f"the last one before closed {end.late_s[i]:g} s earlier, "
                f"{allowed_s:g} s are allowed"
            )
            return Truth(
                reason=f"the tape has a gap at the {name} of the round: {missing}"
            )
    return Ends(
        *(float(end.closed_at[i]) for end in (entry, exit_)),
        *(float(end.late_s[i]) for end in (entry, exit_)),
        *(float(end.price[i]) for end in (entry, exit_)),
    )


def priced(feed: Feed, ends: Ends) -> Truth:
    """The return between both ends; a reason where the records give none."""
    paid, got = ends.entry_price, ends.exit_price
    for name, price in (("entry", paid), ("exit", got)):
        if np.isnan(price):
            return Truth(reason=f"the record at the {name} of the round has no price")
    if paid <= 0:
        return Truth(reason=f"the entry price was {paid:g}; a return needs one above 0")
    return Truth(
        actuals={
            "entry_price": paid,
            "resolved_price": got,
            "actual_return": (got - paid) / paid,
            "direction_up": got > paid,
        },
        provenance=ends.provenance(feed),
    )


def subject_of(round_: Round, config: CrunchConfig) -> str:
    """The subject of a round's scope, in either spelling, else the contract's."""
    return (
        round_.scope.get("subject") or round_.scope.get("asset") or config.scope.subject
    )


def deadline_of(round_: Round) -> datetime:
    performed_at, resolvable_at = round_.performed_at, round_.resolvable_at
    assert performed_at is not None  # only asked rounds are due
    assert resolvable_at is not None
    horizon = resolvable_at - performed_at
    return resolvable_at + max(PATIENCE, PATIENCE_IN_HORIZONS * horizon)


def is_late(rounds: Sequence[Round], now: datetime) -> NDArray[np.bool_]:
    """Which rounds are past their deadline by the clock."""
    return np.array([now > deadline_of(round_) for round_ in rounds], dtype=bool)


def waited_out(
    source: str, rounds: Sequence[Round], now: datetime
) -> NDArray[np.bool_]:
    """Of which rounds the wait for the truth is over; a statement if any is late.

    It is where the newest record of the source's feeds lies past the deadline, too, or
    where earlier cycles have found the round late for as long as `DOUBT`.
    """
    late = is_late(rounds, now)
    if not late.any():
        return late
    seen = reads.newest_seen(source=source, at=now)
    return late & np.array(
        [
            (seen is not None and seen > deadline_of(round_))
            or (round_.overdue_at is not None and round_.overdue_at + DOUBT <= now)
            for round_ in rounds
        ]
    )


def _epochs(instants: Sequence[datetime | None]) -> NDArray[np.float64]:
    return np.array([instant.timestamp() for instant in instants if instant])


def _instant(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(float(epoch_s), UTC)
