"""Recognise an answer that has not changed."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.utils.http import http_date

from core import clock

# An instant counts once nothing that is older can still be committed; also, the header
# has whole seconds.
SETTLED = timedelta(minutes=1)


def digest_of_facts(*facts: Any) -> str:
    """Return a short text that differs where any of the facts does."""
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()


def settled(newest: datetime | None) -> datetime | None:
    """Return when rows last came, if that is long enough ago to be told, or None."""
    is_settled = newest is not None and newest <= clock.now() - SETTLED
    return newest if is_settled else None


def tell_last_modified(response: Any, newest: datetime | None) -> None:
    """Set the header, if the instant is settled."""
    if at := settled(newest):
        response["Last-Modified"] = http_date(at.timestamp())
