import pytest

from competitions.models import Prediction
from scoring.models import Score
from tests import factories
from tests.scoring.api.test_boards import walk

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db, frozen_clock):
    return factories.running_competition(at=frozen_clock, models=6, hours=3)


def test_a_scored_prediction(client, world):
    score = Score.objects.select_related("prediction__round").order_by("-pk")[0]
    model_id = score.prediction.model.model_id
    row = client.get(f"/reports/predictions?projectIds={model_id}&limit=1").json()[0]
    assert row == {
        "model_id": model_id,
        "prediction_config_id": f"CFG_{world.scheduled.pk:03d}",
        "scope_key": "BTCUSDT-60",
        "scope": {
            "subject": "BTCUSDT",
            "step_seconds": 60,
            "resolve_horizon_seconds": 60,
        },
        "score_value": score.value,
        "score_failed": False,
        "score_failed_reason": None,
        "scored_at": "2026-03-02T11:46:02Z",
        "performed_at": "2026-03-02T11:45:00.180000Z",
    }


def test_an_unscored_prediction_says_why(client, world):
    end = "2026-03-02T12:15:00Z"
    rows = client.get(f"/reports/predictions?limit=6&end={end}").json()
    reasons = {row["score_failed_reason"] for row in rows}
    assert all(row["score_failed"] and row["score_value"] is None for row in rows)
    assert "Prediction not scored" in reasons
    failed = Prediction.objects.filter(outcome="FAILED").select_related(
        "model", "round"
    )
    told = client.get(
        "/reports/predictions", {"projectIds": failed[0].model.model_id, "limit": 100}
    ).json()
    assert "EXCEPTION" in {row["score_failed_reason"] for row in told}


def test_predictions_ascend_within_a_page_and_pages_lead_back(client, world):
    first = client.get("/reports/predictions?limit=10")
    times = [row["performed_at"] for row in first.json()]
    assert times == sorted(times)
    everything = client.get("/reports/predictions?limit=10000").json()
    key = ("model_id", "performed_at")
    walked = walk(client, "/reports/predictions?limit=7")
    assert len(walked) == len(everything) == Prediction.objects.count() - 6
    assert {tuple(r[k] for k in key) for r in walked} == {
        tuple(r[k] for k in key) for r in everything
    }


def test_predictions_of_chosen_models_and_times(client, world):
    def ids(query: str) -> set[str]:
        rows = client.get(f"/reports/predictions?{query}").json()
        return {row["model_id"] for row in rows}

    assert ids("projectIds=m1,m2&projectIds=m3") == {"m1", "m2", "m3"}
    assert ids("projectIds=unknown") == set()
    since = "2026-03-02T11:00:00Z"
    rows = client.get(f"/reports/predictions?start={since}&projectIds=m1").json()
    assert [r["performed_at"][11:16] for r in rows] == [
        "11:00",
        "11:15",
        "11:30",
        "11:45",
    ]


def test_the_newest_scoring_version_counts(client, world):
    score = Score.objects.order_by("-pk")[0]
    Score.objects.create(
        prediction=score.prediction,
        model=score.model,
        scoring_version=2,
        value=42.0,
        success=True,
        scored_at=score.scored_at,
    )
    model_id = score.prediction.model.model_id
    rows = client.get(f"/reports/predictions?projectIds={model_id}").json()
    assert [r["score_value"] for r in rows].count(42.0) == 1
