import threading

import pytest
from django.db import connection, transaction

from competitions import lifecycle
from competitions.models import (
    Competition,
    Cruncher,
    ParticipantModel,
)
from competitions.roster import sync_roster
from tests.competitions.conftest import identity
from tests.conftest import NOW
from tests.waiting import is_waited_for, wait_for


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
        wait_for(lambda: is_waited_for() or not other.is_alive())
    other.join()
    assert errors == []
    assert [row[:2] for row in crunchers()] == [("cruncher-a", 0), ("cruncher-b", 1)]


def test_what_a_models_setup_said_is_shown_to_its_owner(competition):
    broken = identity("a", error="ValueError: cannot load weights", state="RECOVERING")
    for _ in range(2):
        sync_roster(competition=competition, identities=[broken])
    row = ParticipantModel.objects.get()
    assert (row.last_error, row.last_error_at) == (broken.error, NOW)


def test_models_of_one_cruncher_share_its_index(competition):
    identities = [identity("a"), identity("b", cruncher_id="cruncher-a")]
    sync_roster(competition=competition, identities=identities)
    rows = ParticipantModel.objects.values_list(
        "model_id", "cruncher__cruncher_index"
    ).order_by("model_id")
    assert list(rows) == [("a", 0), ("b", 0)]


def test_a_stopped_model_is_no_longer_expected(competition):
    sync_roster(competition=competition, identities=[identity("a"), identity("b")])
    left = sync_roster(
        competition=competition, identities=[identity("b", state="STOPPED")]
    )
    assert set(left) == {"a"}


def test_a_model_that_left_while_nobody_listened_is_no_longer_expected(
    competition, django_assert_num_queries
):
    here, gone = identity("a"), identity("b")
    sync_roster(competition=competition, identities=[here, gone])
    with django_assert_num_queries(1):
        left = sync_roster(competition=competition, identities=[here])
    assert set(left) == {"a", "b"}, "it may be coming back"

    with django_assert_num_queries(2):
        left = sync_roster(competition=competition, identities=[here], is_complete=True)
    assert set(left) == {"a"}
    assert ParticipantModel.objects.get(model_id="b").state == "STOPPED"
    with django_assert_num_queries(1):
        sync_roster(competition=competition, identities=[here], is_complete=True)

    left = sync_roster(
        competition=competition, identities=[here, gone], is_complete=True
    )
    assert set(left) == {"a", "b"}, "and it may come back later"
