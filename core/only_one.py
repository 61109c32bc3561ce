"""Let one process at a time do a work, by an advisory lock of the database.

The server frees it when its process dies. Numbers are of one space: choose a new one.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error, connection


@contextmanager
def only_one(lock: int) -> Iterator[bool]:
    """Hold a lock for the length of a block; yield False if another process has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [lock])
        is_only: bool = cursor.fetchone()[0]
    try:
        yield is_only
    finally:
        if is_only:
            # A connection that was lost has lost its locks.
            with suppress(Error), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [lock])


def one_after_another(lock: int) -> None:
    """Hold a lock to the end of the transaction, after those who hold it now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock])
