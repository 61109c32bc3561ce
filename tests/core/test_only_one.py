"""One process at a time does a work."""

from contextlib import suppress

import pytest
from django.db import Error, connection

from core.only_one import only_one


def lose_the_connection_and_fail():
    with suppress(Error), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    raise ValueError("no such coin")


@pytest.mark.django_db(transaction=True)
def test_a_lost_connection_does_not_hide_why_a_work_failed():
    with pytest.raises(ValueError, match="no such coin"), only_one(1):
        lose_the_connection_and_fail()
    connection.close()  # the next test gets a new one
