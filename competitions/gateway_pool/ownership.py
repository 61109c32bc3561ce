"""Make one process the owner of a competition, by a PostgreSQL advisory lock.

Two coordinators make models answer "busy" and get healthy ones reported, so a gateway
runs only where the lock is held. The lock lives as long as its connection: when the
process or its machine dies, the server frees it and another process takes over.
"""

import contextlib
import hashlib
import os
import threading
from typing import Any

import psycopg2
import psycopg2.extensions

# A dead peer is noticed within about 20 s on both sides of the connection.
_CLIENT_SIDE: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}
_SERVER_SIDE = (
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2 "
    "-c statement_timeout=5s -c idle_session_timeout=0"
)


class GatewayOwnership:
    """A held lock; `release` it or let the process end."""

    def __init__(self, connection: psycopg2.extensions.connection, key: str) -> None:
        self.key = key
        self._connection = connection
        self._pid = os.getpid()
        self._turn = threading.Lock()

    def is_held(self) -> bool:
        """Return whether the connection, and so the lock, lives; runs a statement."""
        if os.getpid() != self._pid:
            return False  # a forked child must not use its parent's connection
        try:
            with self._turn, self._connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except psycopg2.Error:
            return False
        return True

    def release(self) -> None:
        """Free the lock at once, for the next owner."""
        if os.getpid() != self._pid:
            return
        # The server notices a closed connection only a moment later.
        with (
            contextlib.suppress(psycopg2.Error),
            self._turn,
            self._connection.cursor() as cursor,
        ):
            cursor.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()


def claim_competition(key: str, *, database_url: str) -> GatewayOwnership | None:
    """Try to become the owner of `key`; returns None while another connection owns it.

    The connection must reach the server itself or a pooler in session mode. Raises
    psycopg2.OperationalError when the database cannot be reached.
    """
    connection = psycopg2.connect(
        database_url,
        application_name="crunchsite-gateway",
        options=_SERVER_SIDE,
        **_CLIENT_SIDE,
    )
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [lock_number(key)])
        row = cursor.fetchone()
    if row and row[0]:
        return GatewayOwnership(connection, key)
    connection.close()
    return None


def lock_number(key: str) -> int:
    """Return a signed 64-bit number for `key` that no other advisory lock uses."""
    digest = hashlib.sha256(f"crunchsite.gateway:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
