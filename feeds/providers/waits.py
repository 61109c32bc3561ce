"""Read from answers how long a server asks to wait."""

import math
from email.utils import parsedate_to_datetime

import requests

from core import clock
from feeds.errors import LONGEST_WAIT_S

# A number this large is not a wait but an instant: epoch seconds, or finer units from
# 1e11 on.
_FIRST_EPOCH = 1e9
_FIRST_FINER_EPOCH = 1e11


def retry_after_s(response: requests.Response, *, default_s: float) -> float:
    """Return the seconds of a Retry-After header, at most LONGEST_WAIT_S.

    It contains a number or a date (RFC 9110), or an epoch number as some exchanges
    write. If it is invalid or lies in the past, the result is `default_s`.
    """
    wait_s = _wait_s(response.headers.get("Retry-After", "").strip())
    if wait_s is None or wait_s < 0:
        return default_s
    return min(wait_s, LONGEST_WAIT_S)


def _wait_s(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return _until(text)
    if not math.isfinite(number):
        return None
    if number < _FIRST_EPOCH:
        return number
    while number >= _FIRST_FINER_EPOCH:
        number /= 1000
    return number - clock.wall_now().timestamp()


def _until(text: str) -> float | None:
    """Return seconds to an HTTP date; without a zone (as asctime writes) it is UTC."""
    try:
        until = clock.as_utc(parsedate_to_datetime(text))
        return (until - clock.wall_now()).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def weight_of(text: str | None) -> int:
    """Return a counter of a header; 0 if it is not a number."""
    try:
        return int(text or 0)
    except ValueError:
        return 0


def instant_of(text: str | None) -> float | None:
    """Return a Date header in epoch seconds; None if it is missing or invalid."""
    try:
        return clock.as_utc(parsedate_to_datetime(text or "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
