"""Fixtures shared by all tests."""

import gc
import logging
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
import structlog
from django.db import connections
from hypothesis import HealthCheck, settings

from competitions.wiring import reset_cache
from core import clock, collector
from feeds.tape.engine import dispose, engine, transaction
from tests import flushing, patience, warm
from tests.clocks import JumpingClock
from tests.network import loopback_only as loopback_only  # for every test
from tests.servers import pytest_configure as pytest_configure  # starts the servers
from tests.servers import (
    pytest_xdist_auto_num_workers as pytest_xdist_auto_num_workers,
)

# No example has a limit of time, for a machine whose cores are busy; and a fixture that
# is shared by the examples of a test is one that they may share. Each run has others.
settings.register_profile(
    "busy",
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("busy")

flushing.by_delete()
flushing.drop_for_good()
patience.widen()
collector.stand_aside()  # while all tests are imported


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits for a whole stack, so that no core idles at the end."""
    items.sort(key=lambda item: not {"e2e", "faults"} & set(item.keywords))


def pytest_collection_finish() -> None:
    collector.spare_what_is_loaded()
    # As often as Python does by itself, looking takes a twentieth of a test.
    gc.set_threshold(50_000, 20, 20)


NOW = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def at():
    """Stop the site's clock: `with at(instant): ...`."""
    return lambda instant: clock.use(clock.Frozen(start=instant, anchor=instant))


@pytest.fixture
def frozen_clock(at):
    """Stop the site's clock at NOW."""
    with at(NOW):
        yield NOW


@pytest.fixture
def jumping():
    """The site's clock, at NOW, as one that a test lets jump; see tests/clocks.py."""
    with clock.use(JumpingClock(NOW)):
        yield clock.current()


@pytest.fixture(autouse=True)
def _own_wiring():
    """What a test wires, or patches where a path leads, is not the next one's."""
    yield
    reset_cache()


@pytest.fixture(autouse=True)
def _own_request_id():
    """Who reads no answer to its end leaves its id in the thread, as no server does."""
    structlog.contextvars.clear_contextvars()


@pytest.fixture(autouse=True)
def _own_log():
    """A program that runs in the test logs to a stream that pytest closes after it."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture(scope="session", autouse=True)
def _no_process_is_left():
    yield
    warm.stop()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Rows have far numbers; the tape's connections end before the database goes."""
    with django_db_blocker.unblock():
        count_from_far()
    yield
    dispose()
    connections["tape"].close()


def count_from_far():
    """Let the database number rows from far apart, as after many other tests.

    Nothing counts down again what a test has taken, so no test may know a number.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT setval(serial, nextval(serial) + 1000 * place) FROM ("
            "SELECT pg_get_serial_sequence(quote_ident(relname), attname) AS serial, "
            "row_number() OVER (ORDER BY relname) AS place FROM pg_attribute "
            "JOIN pg_class ON pg_class.oid = attrelid WHERE attidentity <> '' "
            "AND relnamespace = 'public'::regnamespace AND relkind = 'r') AS serials"
        )


def empty_tape():
    # Not TRUNCATE: the test's transaction may still hold a lock on what it read.
    with transaction() as connection:
        for table in ("feed_records", "feed_ingestion_state", "feed_refusals"):
            connection.execute(sa.text(f"DELETE FROM tape.{table}"))


@pytest.fixture
def tape(db):
    """An empty tape, emptied again afterwards: it is outside Django's transaction.

    Call it to empty it in between.
    """

    yield empty_tape
    empty_tape()


@pytest.fixture
def tape_statements(tape):
    """`with tape_statements() as seen: ...` collects the tape's SQL."""

    @contextmanager
    def collect():
        seen = []

        def note(connection, cursor, statement, *rest):
            seen.append(statement)

        sa.event.listen(engine(), "before_cursor_execute", note)
        try:
            yield seen
        finally:
            sa.event.remove(engine(), "before_cursor_execute", note)

    return collect
