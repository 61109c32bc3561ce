"""Everybody reads who is excluded and why: on the pages, in reports and lists."""

import pytest
from django.contrib.auth.models import User

from competitions.exclusion import exclude
from crunchsite.site.board import board_of
from scoring.api import kept_board
from tests.crunchsite.conftest import text

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
WHY = "it copies <m2>"


@pytest.fixture
def out(world, frozen_clock):
    """The first of the board, excluded, on a board that shows it."""
    model = world.models[0]
    exclude(model=model.pk, reason=WHY, user=User.objects.create_user("ops"))
    last = world.board.entries.count() + 1
    world.board.entries.filter(model=model).update(rank=None, position=last)
    return model


def test_the_board_shows_it_last_with_its_reason(client, out):
    rows = text(client.get("/")).split("<tbody>")[1].split("</tbody>")[0].split("<tr>")
    assert [row for row in rows if "excluded" in row] == rows[-1:]
    assert "Excluded: it copies &lt;m2&gt;</small>" in rows[-1]
    assert '<td class="n rank">—</td>' in rows[-1]


def test_the_chart_of_the_leading_models_leaves_it_out(client, out, world):
    names = board_of(world.competition).chart_names
    assert out.name not in names
    assert len(names) == world.board.entries.count() - 1


def test_its_page_says_since_when_and_why(client, out, world):
    page = text(client.get(f"/models/{out.model_id}"))
    assert "Excluded from ranking and pay since" in page
    assert "<p>it copies &lt;m2&gt;</p>" in page
    other = text(client.get(f"/models/{world.models[1].model_id}"))
    assert "Excluded" not in other


@pytest.mark.parametrize(
    "path",
    [
        "/reports/models",
        "/reports/leaderboard",
        "/api/v1/models",
        "/api/v1/leaderboard",
    ],
)
def test_reports_and_lists_have_the_instant_and_the_reason(client, out, path):
    answer = client.get(path).json()
    rows = answer["results"] if isinstance(answer, dict) else answer
    told = {
        row["model_id"]: (row["excluded_at"], row["exclusion_reason"]) for row in rows
    }
    assert told.pop(out.model_id) == ("2026-03-02T12:00:00Z", WHY)
    assert set(told.values()) == {(None, "")}


@pytest.mark.parametrize("path", ["/", "/reports/leaderboard", "/api/v1/leaderboard"])
def test_an_exclusion_costs_a_board_no_statement(
    client, world, path, django_assert_max_num_queries
):
    kept_board._kept.clear()
    with django_assert_max_num_queries(50) as before:
        client.get(path)
    model = world.models[0]
    exclude(model=model.pk, reason=WHY, user=User.objects.create_user("ops"))
    kept_board._kept.clear()
    with django_assert_max_num_queries(50) as after:
        client.get(path)
    assert len(after) <= len(before)
