"""Whose turn it is at a feed: the holder of an advisory lock, for as long as it lives.

The lock is the database connection's. When its process dies, or its machine, the
server frees it, so that the next who looks takes over; no clock is asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error, connection

from core import clock
from feeds.models import FeedSubscription

_PULLING = 0xFEED
_MOST = 2**31  # PostgreSQL's locks are pairs of 32-bit numbers


@contextmanager
def turn_at(
    subscription: FeedSubscription, *, even_early: bool = False
) -> Iterator[FeedSubscription | None]:
    """Hold a feed for the length of a block; gives its row as it is now.

    Gives None when somebody else holds it, or when it is not due (any more), which
    `even_early` overlooks.
    """
    pk = subscription.pk
    if not _ask("pg_try_advisory_lock", pk):
        yield None
        return
    try:
        rows = FeedSubscription.objects.filter(pk=pk, active=True)
        yield (rows if even_early else rows.due(clock.now())).first()
    finally:
        with suppress(Error):  # a connection that is lost has lost its locks
            _ask("pg_advisory_unlock", pk)


def _ask(function: str, pk: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [_PULLING, pk % _MOST])
        row = cursor.fetchone()
    return bool(row and row[0])
