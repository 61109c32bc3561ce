"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import connection

Found = TypeVar("Found")
# Never reached, however busy the machine is.
AMPLE_S = 60.0


def wait_for(condition: Callable[[], Found], *, timeout_s: float = AMPLE_S) -> Found:
    """Return what the condition gives once it is true; fail after the limit."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout_s} s")


def sessions() -> set[int]:
    """Return the server's sessions with this test's database.

    That of a process that was killed holds its locks until the server has noticed.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend'"
        )
        return {pid for (pid,) in cursor}


def is_waited_for() -> bool:
    """Return whether somebody waits for what this connection's transaction has locked.

    Not whether any lock is waited for: other workers' tests are on the same server.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted "
            "AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
        )
        (found,) = cursor.fetchone()
    return bool(found)
