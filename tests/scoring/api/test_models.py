import pytest

from scoring.cycle import run_cycle
from tests.conftest import NOW
from tests.scoring.api.conftest import MINUTE, get
from tests.scoring.factories import make_models, make_round, put_candles


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


@pytest.mark.parametrize(
    "path", ["/reports/models/x/diversity", "/reports/models/x/ranks"]
)
def test_an_unknown_model_is_not_found(client, competition, path):
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["code"] == "model_not_found"
