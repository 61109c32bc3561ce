"""Fixtures shared by all tests."""

from datetime import UTC, datetime

import pytest

from feeds import clock
from tests.servers import pytest_configure as pytest_configure  # starts the servers

NOW = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def at():
    """Stop the site's clock: `with at(instant): ...`."""
    return lambda instant: clock.use(clock.Frozen(start=instant, anchor=instant))


@pytest.fixture
def frozen_clock(at):
    """The site's clock stands at NOW."""
    with at(NOW):
        yield NOW


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup):
    """Close the tape's connections before the test database is dropped."""
    from feeds.tape.engine import dispose

    yield
    dispose()


@pytest.fixture
def clean_tape(django_db_setup, django_db_blocker):
    """An empty tape, emptied again after the test; call it to empty it in between.

    The tape has its own connection, so Django's rollback does not reach it.
    """
    from feeds.tape.engine import transaction

    def empty() -> None:
        with transaction() as connection:
            connection.exec_driver_sql(
                "TRUNCATE tape.feed_records, tape.feed_ingestion_state"
            )

    with django_db_blocker.unblock():
        empty()
        yield empty
        empty()
