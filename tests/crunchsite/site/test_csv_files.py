"""Tables for spreadsheets."""

import csv
import io

import pytest

from tests.crunchsite.conftest import text

pytestmark = pytest.mark.django_db(databases=["default", "tape"])


def rows_of(response) -> list[list[str]]:
    assert response.headers["Content-Type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(text(response))))


def test_the_board_as_csv(client, world):
    rows = rows_of(client.get("/leaderboard.csv"))
    assert rows[0][:4] == ["rank", "model_id", "model_name", "cruncher_name"]
    assert rows[1][:4] == ["1", "m1", "Meridian", "alice"]
    assert len(rows) == 7
    assert rows[6][rows[0].index("score_recent")] == ""  # unknown is empty


def test_charts_as_csv(client, world):
    rows = rows_of(client.get("/scores.csv"))
    assert rows[0] == ["at", *(f"m{i}" for i in range(1, 7))]
    assert rows[1][0].endswith("Z")
    rows = rows_of(client.get("/models/m1/scores.csv"))
    assert rows[0] == ["at", "Rolling mean", "Each period"]


def test_a_name_cannot_run_as_a_formula(client, world):
    world.models[0].name = "=HYPERLINK(1)"
    world.models[0].save(update_fields=["name"])
    assert rows_of(client.get("/leaderboard.csv"))[1][2] == "'=HYPERLINK(1)"
