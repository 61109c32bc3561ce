"""Compute with the grid: multiples of a length since the epoch, and its periods."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)  # later than any instant


@dataclass(frozen=True)
class Period:
    """A half-open range of site time `[start, end)`."""

    start: datetime
    end: datetime = NEVER

    def holds(self, at: datetime) -> bool:
        """Return whether the instant lies in the period."""
        return self.start <= at < self.end

    @property
    def before(self) -> "Period":
        """Return the period of the same length that ends where this one starts."""
        return Period(self.start - (self.end - self.start), self.start)


def floor(at: datetime, length_s: int) -> datetime:
    """Return the start of the period [k * length, (k + 1) * length) that holds `at`."""
    length = timedelta(seconds=length_s)
    return EPOCH + (at - EPOCH) // length * length


def following(at: datetime, length_s: int) -> datetime:
    """Return the first multiple of the length that is later than `at`."""
    return floor(at, length_s) + timedelta(seconds=length_s)


def at_or_after(at: datetime, length_s: int) -> datetime:
    """Return the first multiple of the length that is not earlier than `at`."""
    return following(at - timedelta.resolution, length_s)


def ceil_s(at_s: float, length_s: int) -> int:
    """Return the first multiple of the length not before `at_s`, in epoch seconds."""
    return -(-math.ceil(at_s) // length_s) * length_s


def is_astray(next_at: datetime, *, now: datetime, interval_s: float) -> bool:
    """Return whether "next at" lies further in the future than its interval allows.

    A clock that was ahead has written it, and waiting for it would take as long as the
    clock was ahead. The caller starts again at `following(now)` instead.
    """
    return next_at - now > timedelta(seconds=interval_s)
