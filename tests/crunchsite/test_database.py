import os
import signal
import threading

import pytest
from django.db import connection, connections

from feeds.tape.engine import engine
from tests.waiting import is_waited_for, wait_for


@pytest.mark.django_db
def test_the_tests_run_on_postgresql_18():
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        assert int(cursor.fetchone()[0]) >= 180000


NOTES_AFTER_A_WAIT = """
DO $$ BEGIN PERFORM pg_advisory_xact_lock(7); RAISE NOTICE 'that is all'; END $$
"""


@pytest.fixture
def interrupted():
    """Interrupt this thread once its statement waits for lock 7, then give that free.

    psycopg2 drops what is raised while it takes a note from the server.
    """

    def interrupt(*_):
        raise KeyboardInterrupt

    def lock_and_interrupt():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(7)")
            is_locked.set()
            wait_for(is_waited_for)
            os.kill(os.getpid(), signal.SIGUSR1)
            cursor.execute("SELECT pg_advisory_unlock(7)")
        connection.close()

    is_locked = threading.Event()
    thread = threading.Thread(target=lock_and_interrupt)
    before = signal.signal(signal.SIGUSR1, interrupt)
    thread.start()
    assert is_locked.wait(60)
    yield
    thread.join()
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.django_db(databases=["default", "tape"], transaction=True)
@pytest.mark.parametrize("alias", ["default", "tape"])
def test_an_interrupt_during_a_statement_is_not_lost(interrupted, alias):
    with pytest.raises(KeyboardInterrupt), connections[alias].cursor() as cursor:
        cursor.execute(NOTES_AFTER_A_WAIT)


@pytest.mark.django_db(databases=["default", "tape"], transaction=True)
def test_an_interrupt_during_a_write_to_the_tape_is_not_lost(interrupted):
    with pytest.raises(KeyboardInterrupt), engine().begin() as tape:
        tape.exec_driver_sql(NOTES_AFTER_A_WAIT)
