"""Read values of a source; an invalid one costs only the record that it belongs to."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from core.texts import brief, describe
from feeds.errors import NothingUsableError, ProviderError
from feeds.tape.records import FeedRecord

log = structlog.get_logger(__name__)

_EPOCH = datetime.fromtimestamp(0, UTC)


def each(
    rows: Any, parse: Callable[[Any], FeedRecord], *, source: str
) -> list[FeedRecord]:
    """Parse a list of rows; leave out invalid ones and log them.

    Raises ProviderError for anything but a list, and NothingUsableError if there were
    rows and none was valid.
    """
    if not isinstance(rows, list):
        raise ProviderError(f"{source} sent an unexpected answer: {brief(rows)}")
    found: list[FeedRecord] = []
    passed_over: list[str] = []
    for row in rows:
        try:
            found.append(parse(row))
        except Exception as error:  # noqa: BLE001  whatever it stumbles over, it is this row
            passed_over.append(f"{brief(row)} ({describe(error, limit=200)})")
    if passed_over and not found:
        raise NothingUsableError(
            f"{source} sent an unexpected answer: {passed_over[0]}",
            rows=len(passed_over),
        )
    if passed_over:
        log.warning(
            "feed.rows_passed_over",
            source=source,
            rows=len(passed_over),
            first=passed_over[0],
        )
    return found


def number(value: Any) -> float:
    """Return a finite number that a source wrote as a number or as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(f"{brief(value)} is not a number")
    found = float(value)
    if not math.isfinite(found) or "_" in str(value):
        raise ValueError(f"{brief(value)} is not a number")
    return found


def numbers(values: Iterable[Any]) -> list[float]:
    return [number(value) for value in values]


def whole(value: Any) -> int:
    """Return an integer that a source wrote as such: a count, a number, an instant."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{brief(value)} is not an integer")
    return value


def truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{brief(value)} is neither true nor false")
    return value


def same(value: Any, wanted: Any) -> None:
    """Raise ValueError for another subject or length than the requested one."""
    if value != wanted:
        raise ValueError(f"{brief(value)} where {brief(wanted)} was asked for")


def instant(milliseconds: Any) -> datetime:
    """Return the instant of epoch milliseconds."""
    return _EPOCH + timedelta(milliseconds=whole(milliseconds))
