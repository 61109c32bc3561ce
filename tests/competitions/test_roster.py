import threading
import time

import pytest
from django.db import connection, transaction

from competitions import lifecycle
from competitions.models import Competition, Cruncher
from competitions.roster import sync_roster
from tests.competitions.conftest import identity
from tests.conftest import NOW


def crunchers():
    rows = Cruncher.objects.order_by("cruncher_index")
    return list(rows.values_list("cruncher_id", "cruncher_index", "name", "wallet"))


def test_each_cruncher_gets_the_next_index_and_keeps_it(competition):
    sync_roster(competition=competition, identities=[identity("a"), identity("b")])
    sync_roster(competition=competition, identities=[identity("c"), identity("a")])
    sync_roster(competition=competition, identities=[identity("b", name="renamed")])
    assert [row[:2] for row in crunchers()] == [
        ("cruncher-a", 0),
        ("cruncher-b", 1),
        ("cruncher-c", 2),
    ]


def test_a_new_wallet_and_name_are_kept(competition):
    sync_roster(competition=competition, identities=[identity("a")])
    changed = identity("a", wallet="WALLET", cruncher_name="Renamed")
    sync_roster(competition=competition, identities=[changed])
    assert crunchers() == [("cruncher-a", 0, "Renamed", "WALLET")]


def is_waited_for():
    """Whether somebody waits for what this connection's transaction has locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted "
            "AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
        )
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_two_first_sightings_at_once_get_two_indexes(frozen_clock):
    competition = lifecycle.create_competition(slug="btc", pack_name="baseline")
    errors = []

    def see():
        try:
            sync_roster(competition=competition, identities=[identity("b")])
        except Exception as error:  # noqa: BLE001  shown by the assertion below
            errors.append(error)
        finally:
            connection.close()

    other = threading.Thread(target=see)
    with transaction.atomic():  # somebody else is giving out the first index
        Competition.objects.select_for_update().get()
        Cruncher.objects.create(
            competition=competition,
            cruncher_id="cruncher-a",
            name="Cruncher a",
            cruncher_index=0,
            created_at=NOW,
        )
        other.start()
        until = time.monotonic() + 60
        while not is_waited_for() and other.is_alive():
            assert time.monotonic() < until, "nobody waits"
    other.join()
    assert errors == []
    assert [row[:2] for row in crunchers()] == [("cruncher-a", 0), ("cruncher-b", 1)]
