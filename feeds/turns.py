"""Let one process at a time pull a feed, by an advisory lock.

The lock belongs to the database connection. When its process or machine dies, the
server frees it, and the next process takes over; no clock is needed.
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
    """Hold a feed for the length of a block; yield its present row.

    Yields None when another process holds it, or when it is not due (any more);
    `even_early` ignores the latter.
    """
    pk = subscription.pk
    if not _ask("pg_try_advisory_lock", pk):
        yield None
        return
    try:
        rows = FeedSubscription.objects.filter(pk=pk, active=True)
        yield (rows if even_early else rows.due(clock.now())).first()
    finally:
        with suppress(Error):  # a connection that was lost has lost its locks
            _ask("pg_advisory_unlock", pk)


def _ask(function: str, pk: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [_PULLING, pk % _MOST])
        row = cursor.fetchone()
    return bool(row and row[0])
