"""The leaderboard's answer is kept, and never outlives what it shows."""

from contextlib import suppress

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from competitions.models import Competition, Cruncher, ParticipantModel
from scoring.api import kept_board
from tests import factories
from tests.conftest import NOW

pytestmark = pytest.mark.django_db
URL = "/reports/leaderboard"


@pytest.fixture(autouse=True)
def world(db, frozen_clock):
    kept_board._kept.clear()
    yield factories.running_competition(at=NOW, models=3, hours=1)
    kept_board._kept.clear()


def asked(client, url=URL, **headers):
    with CaptureQueriesContext(connection) as seen:
        answer = client.get(url, headers=headers)
    return len(seen), answer


def test_one_statement_tells_that_the_answer_is_still_right(client):
    first_count, first = asked(client)
    again_count, again = asked(client)
    assert (first_count, again_count) == (3, 1)
    assert again.content == first.content
    theirs = dict(again.headers) | {"X-Request-ID": first["X-Request-ID"]}
    assert theirs == dict(first.headers)
    assert asked(client, **{"If-None-Match": first["ETag"]})[1].status_code == 304


def renamed(world):
    ParticipantModel.objects.filter(model_id="m1").update(name="other")


def owner_renamed(world):
    Cruncher.objects.update(name="other")


def published(world):
    world.board.entries.update(ranking_value=0.0)
    world.board.save()  # as a publication does, at the same instant here


def excluded(world):
    ParticipantModel.objects.filter(model_id="m1").update(
        excluded_at=NOW, exclusion_reason="it copies m2"
    )


def hidden(world):
    Competition.objects.update(status="DRAFT")


def preceded(world):
    Competition.objects.update(status="PAUSED")
    factories.competition("other-cup")


@pytest.mark.parametrize(
    "change", [renamed, owner_renamed, excluded, published, hidden, preceded]
)
def test_what_has_changed_is_answered_anew(change, client, world):
    before = asked(client)[1].content
    change(world)
    after = asked(client)[1].content
    kept_board._kept.clear()
    assert after != before
    assert after == asked(client)[1].content


def statements_while_nobody_commits(client):
    """Of a question asked again; tests beside this one commit to the same server."""
    for _ in range(10_000):
        before = kept_board._snapshot()
        asked(client)
        count, _answer = asked(client)
        if kept_board._snapshot() == before:
            return count
    raise AssertionError("somebody commits all the time")


@pytest.mark.django_db(transaction=True)
def test_while_nothing_is_committed_the_version_is_not_asked_for(client, world):
    before = asked(client)[1].content
    assert asked(client)[0] == 2  # snapshot, version
    assert statements_while_nobody_commits(client) == 1
    Competition.objects.update(name="of no board")
    assert asked(client)[0] == 2
    assert statements_while_nobody_commits(client) == 1
    assert asked(client)[1].content == before
    with suppress(OperationalError):  # the database was restarted, say
        connection.cursor().execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert asked(client)[1].content == before
    renamed(world)
    assert asked(client)[1].content != before


def test_other_questions_have_their_own_answers(client):
    assert len(asked(client)[1].json()) == 3
    assert len(asked(client, f"{URL}?limit=1")[1].json()) == 1
    assert asked(client, f"{URL}?limit=x")[1].status_code == 422
    assert asked(client, Accept="text/html")[1].status_code == 406
    assert len(asked(client)[1].json()) == 3


def test_no_more_are_kept_than_a_process_can_hold(client):
    for i in range(kept_board.MOST_KEPT + 3):
        asked(client, f"{URL}?limit=100&x={i}")
    assert len(kept_board._kept) == kept_board.MOST_KEPT


def test_who_may_see_drafts_is_answered_by_the_view(admin_client):
    asked(admin_client)
    assert not kept_board._kept
