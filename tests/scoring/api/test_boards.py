from datetime import timedelta

import pytest

from competitions.models import ParticipantModel
from scoring.models import LeaderboardEntry
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db, frozen_clock):
    return factories.running_competition(at=frozen_clock, models=6, hours=3)


def walk(client, path: str) -> list:
    """All rows of all pages, following the Link headers."""
    rows, pages = [], 0
    while path:
        response = client.get(path)
        assert response.status_code == 200
        rows += response.json()
        link = response.headers.get("Link", "")
        path = link.split(">")[0].removeprefix("<http://testserver") if link else ""
        pages += 1
        assert pages < 200
    return rows


def test_a_leaderboard_row_has_the_protocols_keys(client, world):
    first = client.get("/reports/leaderboard").json()[0]
    metrics = world.board.entries.first().metrics
    assert first == {
        **metrics,
        "created_at": "2026-03-02T12:00:00Z",
        "model_id": "m1",
        "score_metrics": metrics,
        "score_ranking": {
            "key": "score_recent",
            "value": metrics["score_recent"],
            "direction": "desc",
        },
        "rank": 1,
        "model_name": "Meridian",
        "cruncher_name": "alice",
        "excluded_at": None,
        "exclusion_reason": "",
    }


def test_the_board_is_in_rank_order_and_unknown_is_null(client, world):
    rows = client.get("/reports/leaderboard").json()
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[-1]["score_recent"] is None
    assert rows[-1]["score_ranking"]["value"] is None


def test_ensembles_are_hidden_unless_asked_for_and_have_no_rank(client, world):
    virtual = ParticipantModel.objects.create(
        competition=world.competition,
        model_id="__ensemble_mean__",
        name="Mean",
        is_virtual=True,
        created_at=world.board.as_of,
        updated_at=world.board.as_of,
    )
    LeaderboardEntry.objects.create(
        leaderboard=world.board, model=virtual, rank=None, position=7, metrics={}
    )
    assert len(client.get("/reports/leaderboard").json()) == 6
    shown = client.get("/reports/leaderboard?include_ensembles=true").json()
    assert (shown[-1]["rank"], shown[-1]["overall_rank"]) == (None, 7)
    assert len(client.get("/reports/models").json()) == 6
    assert len(client.get("/reports/models?include_ensembles=true").json()) == 7


def test_snapshots_newest_first_and_filtered(client, world):
    rows = client.get("/reports/snapshots?model_id=m2").json()
    assert [row["period_end"][11:16] for row in rows] == [
        "13:00",
        "12:00",
        "11:00",
        "10:00",
    ]
    assert set(rows[0]) == {
        "id",
        "model_id",
        "period_start",
        "period_end",
        "prediction_count",
        "result_summary",
        "created_at",
    }
    some = client.get(
        "/reports/snapshots?model_id=m2&since=2026-03-02T10:00:00Z"
        "&until=2026-03-02T12:00:00Z"
    ).json()
    assert [row["period_end"][11:16] for row in some] == ["12:00", "11:00"]


@pytest.mark.parametrize("limit", [1, 5, 23, 24, 25])
def test_walking_all_snapshot_pages_gives_each_row_once(client, world, limit):
    ids = [row["id"] for row in walk(client, f"/reports/snapshots?limit={limit}")]
    assert len(ids) == len(set(ids)) == 24


@pytest.mark.parametrize("limit", [1, 4, 6])
def test_walking_the_board_keeps_its_order(client, world, limit):
    rows = walk(client, f"/reports/leaderboard?limit={limit}")
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6]


def test_a_range_that_ended_long_ago_is_empty(client, world, frozen_clock):
    end = (frozen_clock - timedelta(days=30)).isoformat().replace("+00:00", "Z")
    assert client.get(f"/reports/predictions?end={end}").json() == []
