"""Let one publisher work at a time in this database: publications and rollbacks."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from livepool.errors import BusyError

_LOCK = 0x6C697665706F6F6C  # "livepool"


@contextmanager
def only_publisher() -> Iterator[None]:
    """Hold the publisher's lock; raises BusyError at once if another one works."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            raise BusyError("another publisher is at work; try again when it is done")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
