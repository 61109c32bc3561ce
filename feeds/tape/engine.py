"""Connect to the tape: an engine for each process and database."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg2
import sqlalchemy as sa
from django.conf import settings
from django.db import connections

from feeds.errors import TapeError


def database() -> dict[str, Any]:
    """Return Django's description of the tape's database; in tests, of the test's."""
    is_shared = settings.TAPE_DATABASE_URL == settings.DATABASE_URL
    return connections["default" if is_shared else "tape"].settings_dict


def engine() -> sa.Engine:
    entry = database()
    address = tuple(entry[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT"))
    options = tuple(sorted(entry["OPTIONS"].items()))
    return _engine(os.getpid(), address, options)


@lru_cache(maxsize=8)
def _engine(
    pid: int,  # noqa: ARG001  a fork must not share its parent's connections
    address: tuple[str, ...],
    options: tuple[tuple[str, Any], ...],
) -> sa.Engine:
    name, user, password, host, port = address
    parameters = {
        "dbname": name,
        "user": user,
        "password": password,
        "host": host,
        "port": port,
        **dict(options),
    }
    return sa.create_engine(
        "postgresql+psycopg2://",
        connect_args={key: value for key, value in parameters.items() if value},
        pool_size=2,
        max_overflow=16,  # threads of a worker
        pool_pre_ping=True,
    )


# Raised by SQLAlchemy, or by psycopg2 when its cursor is used for COPY.
_FAILURES = (
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
)


@contextmanager
def transaction() -> Iterator[sa.Connection]:
    """Commit all or nothing; a failing database raises TapeError, bad SQL does not."""
    try:
        with engine().begin() as connection:
            yield connection
    except _FAILURES as error:
        said = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        raise TapeError(f"the tape's database failed: {said}") from error


def dispose() -> None:
    """Close this process's idle connections to the tape."""
    engine().dispose()
