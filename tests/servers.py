"""Starts PostgreSQL and Valkey for the tests; tests/conftest.py names its hooks."""

import os
from contextlib import closing, suppress

import psycopg2
import pytest
from django.conf import settings

from crunchsite.settings.places import embedded_database_url
from crunchsite.settings.test import SERVERS_DIR
from crunchsite.stack.errors import StackError
from crunchsite.stack.postgres import VOLATILE, Postgres
from crunchsite.stack.site_lock import SiteLock
from crunchsite.stack.valkey import Valkey


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return one worker more than there are cores: many tests wait for processes.

    Valkey has 16 databases, one for each worker.
    """
    return min((os.cpu_count() or 1) + 1, 16)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start the servers once; pytest-xdist's workers use those of their controller."""
    if config.option.collectonly:
        return
    if not hasattr(config, "workerinput"):
        _require_own_folder(config)
        servers = (
            Postgres(SERVERS_DIR, options=VOLATILE),
            Valkey(SERVERS_DIR, durable=False),
        )
        for server in servers:
            server.start()
            config.add_cleanup(server.stop)
    _create_own_database()


def _require_own_folder(config: pytest.Config) -> None:
    """Refuse a second run in this folder: the first to end would stop its servers."""
    lock = SiteLock(SERVERS_DIR)
    try:
        lock.take("a run of the tests")
    except StackError as error:
        pytest.exit(str(error), pytest.ExitCode.USAGE_ERROR)
    config.add_cleanup(lock.release)


def _create_own_database() -> None:
    """Make the database that tests outside of Django's own connect to."""
    url = embedded_database_url(SERVERS_DIR, "postgres")
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor, suppress(psycopg2.errors.DuplicateDatabase):
            cursor.execute(f'CREATE DATABASE "{settings.DATABASES["default"]["NAME"]}"')
