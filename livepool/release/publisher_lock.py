"""One publisher at a time in this database: publications and rollbacks alike."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from livepool.errors import BusyError

_LOCK = 0x6C697665706F6F6C  # "livepool"


@contextmanager
def only_publisher() -> Iterator[None]:
    """Be the only publisher; raises BusyError at once when another one is at work."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            raise BusyError("another publisher is at work; try again when it is done")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
