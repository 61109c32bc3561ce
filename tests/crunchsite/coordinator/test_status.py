"""`coordinator status`: one line for each competition."""

import json
from datetime import timedelta

import pytest

from competitions.models import CallableFailure, Round
from crunchsite.coordinator.status import statuses
from tests import factories
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    made = factories.running_competition(at=NOW, hours=3)
    factories.competition("asleep", status="DRAFT")
    return made


def test_each_competition_has_its_figures(world, django_assert_num_queries):
    Round.objects.filter(pk=world.rounds[3].pk).update(status="RECEIVED")
    CallableFailure.objects.create(
        competition=world.competition,
        callable="SCORING_FUNCTION",
        path="x:y",
        text="why",
        count=1,
        first_at=NOW,
        last_at=NOW,
    )
    with django_assert_num_queries(5):
        asleep, running = statuses(NOW)
    assert asleep == {
        "competition": "asleep",
        "status": "DRAFT",
        "next_slot": None,
        "last_round": None,
        "waiting": 0,
        "running": 0,
        "failing": [],
    }
    assert running["next_slot"] == (NOW + timedelta(minutes=15)).isoformat()
    assert (
        running["last_round"]
        == max(r.slot_at for r in world.rounds if r.performed_at).isoformat()
    )
    assert running["running"] == 10
    assert running["failing"] == ["m5", "SCORING_FUNCTION"]
    assert running["waiting"] == 1


def test_the_table_has_a_line_for_each(world, coordinator, capsys):
    assert coordinator("status") == 0
    title, asleep, running = capsys.readouterr().out.splitlines()
    assert title.split() == [
        *("COMPETITION", "STATUS", "NEXT", "SLOT", "LAST", "ROUND", "WAITING"),
        *("RUNNING", "FAILING"),
    ]
    assert asleep.split() == ["asleep", "DRAFT", "—", "—", "0", "0", "—"]
    assert running.endswith("  m5")


def test_json_is_one_list(world, coordinator, capsys):
    assert coordinator("status", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["competition"] for row in rows] == ["asleep", "btc-demo"]
