from datetime import timedelta

import pytest
from drf_spectacular.generators import SchemaGenerator

from competitions.models import ParticipantModel
from scoring.board.leaderboard import publish
from scoring.cycle import run_cycle
from scoring.diversity.feedback import NOT_ENOUGH, diversity_score, guidance
from scoring.models import Snapshot
from tests.conftest import NOW
from tests.scoring.board.test_leaderboard import WIRING, snap
from tests.scoring.factories import make_models, make_round, put_candles

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def scored(competition, at):
    """Two models over six rounds, scored at NOW."""
    put_candles(NOW - 42 * MINUTE, [100.0 + i * i % 7 for i in range(42)])
    models = make_models(competition, "a", "b")
    for i in range(6):
        answers = {model: (i + 1) * (-1) ** k for k, model in enumerate(models)}
        make_round(competition, NOW - (30 - i) * MINUTE, answers)
    run_cycle(competition_id=competition.pk)
    with at(NOW + MINUTE):
        yield competition


def get(client, path, **query):
    response = client.get(path, query)
    assert response.status_code == 200, response.content
    return response.json()


def test_global_rows_carry_figures_ranking_and_the_last_question(client, scored):
    first, second = get(client, "/reports/models/global")
    assert {first["model_id"], second["model_id"]} == {"a", "b"}
    assert first["score_ranking"]["value"] == first["score_recent"]
    assert first["score_recent"] >= second["score_recent"]
    assert first["performed_at"] == "2026-03-02T11:35:00Z"


def test_params_rows_are_per_scope(client, scored):
    rows = get(client, "/reports/models/params")
    assert [(row["model_id"], row["scope_key"]) for row in rows] == [
        ("a", "btc-60"),
        ("b", "btc-60"),
    ]
    whole = {
        row["model_id"]: row["score_recent"]
        for row in get(client, "/reports/models/global")
    }
    for row in rows:
        assert row["score_recent"] == pytest.approx(whole[row["model_id"]])


@pytest.mark.parametrize("path", ["global", "params"])
def test_ensembles_are_hidden_unless_asked_for(client, scored, path):
    scored.models.filter(model_id="b").update(is_virtual=True)
    ids = [row["model_id"] for row in get(client, f"/reports/models/{path}")]
    assert ids == ["a"]
    shown = get(client, f"/reports/models/{path}", include_ensembles="true")
    assert {row["model_id"] for row in shown} == {"a", "b"}


@pytest.mark.parametrize("path", ["metrics", "summary"])
def test_snapshot_rows_carry_their_numbers(client, scored, path):
    rows = get(client, f"/reports/models/{path}", projectIds="a")
    assert [row["model_id"] for row in rows] == ["a"]
    assert rows[0]["prediction_count"] == 6
    assert "ic" in rows[0]


def test_a_range_that_ends_before_it_starts_is_refused(client, scored):
    query = {"start": "2026-03-02T00:00:00Z", "end": "2026-03-01T00:00:00Z"}
    assert client.get("/reports/models/metrics", query).status_code == 422


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


def test_the_overview_promises_no_pages(client, competition):
    schema = SchemaGenerator().get_schema(public=True)
    parameters = schema["paths"]["/reports/diversity"]["get"]["parameters"]
    assert {each["name"] for each in parameters} == {"competition", "limit"}


@pytest.mark.parametrize(
    "path", ["/reports/models/x/diversity", "/reports/models/x/ranks"]
)
def test_an_unknown_model_is_not_found(client, competition, path):
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("figures", "fragments"),
    [
        ({}, [NOT_ENOUGH]),
        ({"model_correlation": 0.8}, ["High correlation"]),
        ({"ensemble_correlation": 0.95}, ["follows the ensemble"]),
        ({"contribution": -0.1}, ["Negative contribution"]),
        ({"contribution": 0.02}, ["Positive contribution"]),
        ({"model_correlation": 0.1, "ic": -0.1}, [NOT_ENOUGH]),
    ],
)
def test_guidance_follows_from_the_figures(figures, fragments):
    said = guidance(figures)
    assert len(said) == len(fragments)
    assert all(part in text for part, text in zip(fragments, said, strict=True))


def test_the_diversity_score_is_unknown_without_a_correlation():
    assert diversity_score({"model_correlation": None}) is None
    assert diversity_score({"model_correlation": -0.4}) == 0.6
