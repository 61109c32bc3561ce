"""Reports on how different models are."""

import pytest
from drf_spectacular.generators import SchemaGenerator

from competitions.models import ParticipantModel
from scoring.board.leaderboard import publish
from scoring.diversity.feedback import NOT_ENOUGH
from scoring.models import Snapshot
from tests.conftest import NOW
from tests.scoring.api.conftest import get
from tests.scoring.board.test_leaderboard import WIRING, snap
from tests.scoring.factories import make_models


def test_diversity_of_a_model(client, competition):
    [a] = make_models(competition, "a")
    snap(a, 1, 1.0, count=30, ic=0.1, model_correlation=0.25)
    publish(competition=competition, wiring=WIRING, now=NOW)
    found = get(client, "/reports/models/a/diversity")
    assert (found["rank"], found["diversity_score"]) == (1, 0.75)
    assert found["metrics"]["contribution"] is None
    assert len(found["guidance"]) == 1
    assert "unique alpha" in found["guidance"][0].lower()
    [row] = get(client, "/reports/diversity")
    assert (row["model_id"], row["diversity_score"]) == ("a", 0.75)


@pytest.mark.parametrize("count", [1, 8, 29])
def test_figures_of_a_few_predictions_come_without_advice(client, competition, count):
    [a] = make_models(competition, "a")
    figures = {"ic": 0.9, "model_correlation": 0.1, "contribution": 0.5}
    snap(a, 1, 1.0, count=count, **figures)
    found = get(client, "/reports/models/a/diversity")
    assert found["guidance"] == [NOT_ENOUGH]
    assert found["metrics"].items() >= figures.items()


def test_the_overview_has_each_models_newest_snapshot(
    client, competition, django_assert_num_queries
):
    a, b, c, _ = make_models(competition, "a", "b", "c", "silent")
    ParticipantModel.objects.filter(pk=c.pk).update(is_virtual=True)
    kept = [(a, 200, 0.1), (a, 2, 0.5), (b, 300, 0.2), (c, 1, 0.0)]
    for model, hours_ago, correlation in kept:
        snap(model, hours_ago, 1.0, model_correlation=correlation)
    wrong = snap(a, 1, 1.0, model_correlation=0.9)
    Snapshot.objects.filter(pk=wrong.pk).update(superseded_at=NOW)
    with django_assert_num_queries(2):  # the competition, the snapshots
        rows = get(client, "/reports/diversity")
    assert [(row["model_id"], row["diversity_score"]) for row in rows] == [
        ("b", 0.8),  # silent for long, and still there
        ("a", 0.5),
    ]
    [best] = get(client, "/reports/diversity", limit=1)
    assert best["model_id"] == "b"


def test_a_text_of_the_operators_in_place_of_a_figure_is_unknown(client, competition):
    a, b = make_models(competition, "a", "b")
    snap(a, 1, 1.0, model_correlation="little", ic="good", fnc=0.5)
    snap(b, 1, 1.0, model_correlation=0.5)
    b_row, a_row = get(client, "/reports/diversity")
    assert (b_row["model_id"], b_row["diversity_score"]) == ("b", 0.5)
    assert (a_row["diversity_score"], a_row["ic"], a_row["fnc"]) == (None, None, 0.5)


def test_the_overview_promises_no_pages(client, competition):
    schema = SchemaGenerator().get_schema(public=True)
    parameters = schema["paths"]["/reports/diversity"]["get"]["parameters"]
    assert {each["name"] for each in parameters} == {"competition", "limit"}
