"""Ask the database a request's first question, without asking before if it is there.

Django sends a statement before the first one of each request, to learn whether its
connection still lives: one trip of the two or three that most requests make. A question
that may be asked twice tells that itself.
"""

from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

Found = TypeVar("Found")


def first_statement(ask: Callable[[], Found]) -> Found:
    """Return what `ask` reads; a connection that was lost is replaced, once.

    `ask` only reads. Without a connection, and within a transaction, it is simply
    called.
    """
    if connection.in_atomic_block or connection.connection is None:
        return ask()
    connection.health_check_done = True  # type: ignore[attr-defined]  # as Django sets it
    try:
        return ask()
    except (InterfaceError, OperationalError):
        connection.close()  # the next statement finds a new one, or says why not
        return ask()
