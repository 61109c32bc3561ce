"""Ranks over time, and why they changed."""

from datetime import timedelta

from scoring.board.leaderboard import publish
from tests.conftest import NOW
from tests.scoring.api.conftest import HOUR, get
from tests.scoring.board.test_leaderboard import WIRING, snap
from tests.scoring.factories import make_models


def test_rank_history_lists_the_boards_newest_first(client, competition):
    a, b = make_models(competition, "a", "b")
    snap(a, 1, 1.0)
    publish(competition=competition, wiring=WIRING, now=NOW)
    snap(b, 0, 5.0)
    publish(competition=competition, wiring=WIRING, now=NOW + HOUR)
    ranks = [row["rank"] for row in get(client, "/reports/models/a/ranks")]
    assert ranks == [2, 1]


def test_a_rank_change_names_the_snapshots_and_who_passed(client, competition):
    a, b = make_models(competition, "a", "b")
    snap(a, 24, 9.0)
    snap(a, 2, 1.0)
    snap(b, 2, 2.0)
    change = get(
        client,
        "/reports/models/a/rank-change",
        since=(NOW - timedelta(seconds=1)).isoformat(),
        until=(NOW + HOUR).isoformat(),
    )
    assert (change["rank_before"], change["rank_after"]) == (1, 2)
    assert (change["overtaken_by"], change["overtook"]) == (["b"], [])
    recent = change["windows"][0]
    assert (recent["window"], recent["before"], recent["after"]) == (
        *("score_recent", 5.0, 1.0),
    )
    assert recent["entered"] == []
    assert [part["value"] for part in recent["left"]] == [9.0]
