"""Aligned periods: the grid of multiples of a length since the epoch."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def floor(at: datetime, length_s: int) -> datetime:
    """Start of the period [k * length, (k + 1) * length) that holds `at`."""
    length = timedelta(seconds=length_s)
    return EPOCH + (at - EPOCH) // length * length


def following(at: datetime, length_s: int) -> datetime:
    """The first multiple of the length that is later than `at`."""
    return floor(at, length_s) + timedelta(seconds=length_s)
