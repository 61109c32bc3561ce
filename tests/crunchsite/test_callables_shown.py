"""What fails of an operator's code is seen where operators and readers look."""

import pytest

from competitions.callables.guarded_calls import keep_failure
from scoring.models import Leaderboard
from tests import factories
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "tape"])


@pytest.fixture
def failing():
    competition = factories.competition()
    for _ in range(3):
        keep_failure(
            competition,
            name="LEADERBOARD_RANKER",
            path="own.ranks:mine",
            text="ZeroDivisionError: <b>by</b> zero",
        )
    return competition


def test_the_first_page_says_which_since_when_and_how_often(admin_client, failing):
    page = admin_client.get("/admin/").content.decode()
    assert "LEADERBOARD_RANKER (own.ranks:mine) fails, 3 times in a row" in page
    assert "ZeroDivisionError: &lt;b&gt;by&lt;/b&gt; zero" in page


def test_operators_see_it_at_readyz_and_strangers_do_not(client, admin_client, failing):
    assert "failing_callables" not in client.get("/readyz").json()
    [line] = admin_client.get("/readyz").json()["failing_callables"]
    assert line.startswith("btc-demo: LEADERBOARD_RANKER (own.ranks:mine) fails since")
    assert line.endswith("3 times: ZeroDivisionError: <b>by</b> zero")


def test_a_board_made_with_a_stand_in_says_so(client):
    factories.running_competition(at=NOW, models=2, hours=2)
    assert "stands in" not in client.get("/").content.decode()
    Leaderboard.objects.update(meta={"stand_ins": ["LEADERBOARD_RANKER"]})
    page = client.get("/").content.decode()
    assert "Made without LEADERBOARD_RANKER" in page


def test_a_competition_without_a_key_is_told_of(admin_client, settings):
    competition = factories.competition(activated_at=NOW)
    assert "No crunch key" not in admin_client.get("/admin/").content.decode()
    competition.crunch_pubkey = ""
    competition.save()
    assert "No crunch key" in admin_client.get("/admin/").content.decode()
    key = {"crunch_pubkey": "the site's"}  # by it periods are paid, too
    settings.ENV = settings.ENV.model_copy(update=key)
    assert "No crunch key" not in admin_client.get("/admin/").content.decode()
