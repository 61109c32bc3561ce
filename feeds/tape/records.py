"""One record of market data, as providers create it and the tape stores it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from feeds.errors import UnknownKindError
from feeds.granularity import seconds

CANDLE, TICK, DEPTH, FUNDING = KINDS = ("candle", "tick", "depth", "funding")
# Each is a class of this name in `feeds/providers/`.
SOURCES = ("binance", "pyth", "replay", "simulated")
MOMENTARY = (DEPTH, FUNDING)  # measured at the time of the request; there is no history
OHLCV = ("open", "high", "low", "close", "volume")


class FeedKey(NamedTuple):
    """The four dimensions of a feed."""

    source: str
    subject: str
    kind: str
    granularity: str

    @property
    def id(self) -> str:
        return ":".join(self)


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """What a source reported about a subject at one instant.

    `ts_event` (UTC) is a candle's open instant, and the instant itself for other kinds.
    `values` has finite numbers: open, high, low, close, volume of a candle, price of a
    tick. An open candle (`is_closed=False`) still changes and is never truth.
    """

    source: str
    subject: str
    kind: str
    granularity: str
    ts_event: datetime
    values: dict[str, Any]
    is_closed: bool = True
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> FeedKey:
        return FeedKey(self.source, self.subject, self.kind, self.granularity)

    @property
    def closes_at(self) -> datetime:
        return self.ts_event + span(self.kind, self.granularity)


def check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise UnknownKindError(
            f"kind was {kind!r}; the known kinds are {', '.join(KINDS)}"
        )


def span(kind: str, granularity: str) -> timedelta:
    """Return the time from `ts_event` until a record is final; zero unless a candle."""
    return timedelta(seconds=seconds(granularity) if kind == CANDLE else 0)
