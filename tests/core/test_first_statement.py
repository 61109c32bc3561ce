from contextlib import suppress

import pytest
from django.db import OperationalError, connection, connections, transaction

from core.first_statement import first_statement

pytestmark = pytest.mark.django_db(transaction=True)


def one():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone()[0]


@pytest.fixture
def checks(monkeypatch):
    """Begin a request on a connection; how often Django asks if that still lives."""
    connection.ensure_connection()
    wrapper, seen = connections["default"], []
    is_usable = wrapper.is_usable
    monkeypatch.setattr(wrapper, "is_usable", lambda: seen.append(1) or is_usable())
    wrapper.health_check_enabled, wrapper.health_check_done = True, False
    return seen


def lose_the_connection():
    with suppress(OperationalError):
        connection.cursor().execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.health_check_done = False


def test_the_first_statement_is_the_only_one(checks):
    assert first_statement(one) == 1
    assert checks == []


def test_without_it_django_asks_before(checks):
    assert one() == 1
    assert checks == [1]


def test_a_lost_connection_is_replaced(checks):
    lose_the_connection()
    assert first_statement(one) == 1


def test_what_is_not_there_is_asked_for_twice_and_no_more(checks):
    asked = []

    def fails():
        asked.append(1)
        raise OperationalError("gone")

    with pytest.raises(OperationalError, match="gone"):
        first_statement(fails)
    assert len(asked) == 2


def test_a_transaction_is_not_torn_apart(checks):
    asked = []

    def fails():
        asked.append(1)
        raise OperationalError("gone")

    with pytest.raises(OperationalError, match="gone"), transaction.atomic():
        first_statement(fails)
    assert len(asked) == 1
