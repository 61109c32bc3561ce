"""The endpoints of posted rounds: what they answer, to whom, and how much they take."""

import json

import pytest
from celery import current_app
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from kombu.exceptions import OperationalError

from competitions import lifecycle
from competitions.contract import EnsembleConfig
from competitions.models import Prediction, Round
from crunchsite.keys.issuing import create_key
from scoring.api import tournament
from scoring.models import Score
from tests.competitions.tournament.conftest import SampleGateway, ask_all, features

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
URL = "/tournament/rounds/r1"


@pytest.fixture
def competition(db, tape, frozen_clock):
    draft = lifecycle.create_competition(slug="btc", pack_name="baseline")
    return lifecycle.activate(competition_id=draft.pk)


@pytest.fixture
def gateway():
    return SampleGateway(
        {"a": float, "b": lambda x: ValueError("no") if x == 0 else float(x)}
    )


@pytest.fixture
def operator(client, db):
    client.force_login(User.objects.create_superuser("olga"))
    return client


@pytest.fixture
def worker(monkeypatch, competition, gateway):
    """Asks at once when it is called, as the worker of the queue models does."""
    monkeypatch.setattr(
        current_app,
        "send_task",
        lambda name, args, **options: ask_all(competition, gateway),
    )


@pytest.fixture
def nobody(monkeypatch):
    """No worker is up, and no request waits for one."""
    monkeypatch.setattr(current_app, "send_task", lambda *args, **options: None)
    monkeypatch.setattr(tournament, "WAIT_S", 0.0)


def post(client, what, body):
    return client.post(f"{URL}/{what}", body, content_type="application/json")


TRUTHS = [{"actual_return": 0.01 * i} for i in range(3)]


def test_a_round_from_features_to_scores(operator, worker, competition):
    asked = post(operator, "inference", {"features": features(3)})
    assert asked.status_code == 200
    assert asked.json() == {
        "round_id": "r1",
        "model_count": 2,
        "prediction_count": 6,
        "status": "inference_complete",
        "samples": 3,
        "samples_asked": 3,
        "reason": "",
    }
    scored = post(operator, "score", {"ground_truth": TRUTHS})
    assert scored.status_code == 200
    body = scored.json()
    assert (body["round_id"], body["scores_count"], body["status"]) == (
        *("r1", 5),
        "scored",
    )
    assert [
        (r["sample"], r["model_id"], round(r["score"], 9)) for r in body["results"]
    ] == [
        (0, "a", 0.0),
        *((1, "a", 100.0), (1, "b", 100.0)),
        *((2, "a", 400.0), (2, "b", 400.0)),
    ]
    first = body["results"][0]
    assert (first["success"], first["reason"]) == (True, "")
    assert first["result"]["actual_return"] == 0.0
    assert (
        first["prediction_id"]
        == Prediction.objects.get(outcome="ANSWERED", round__sample=0).pk
    )
    status = operator.get(f"{URL}/status").json()
    assert status["status"] == "scored"
    assert status["total"] == 6
    assert status["by_status"] == {"SCORED": 5, "FAILED": 1}
    assert (status["model_count"], status["samples"], status["samples_asked"]) == (
        *(2, 3),
        3,
    )
    assert [e.change_message for e in LogEntry.objects.order_by("pk")] == [
        "Posted the features of 3 samples of round r1.",
        "Posted the truths of 3 samples of round r1.",
    ]
    assert operator.get("/reports/leaderboard").json()[0]["rank"] == 1


def test_ensembles_are_not_counted_among_those_who_were_asked(operator, worker, rewire):
    rewire(ensembles=(EnsembleConfig(name="all"),))
    asked = post(operator, "inference", {"features": features(3)}).json()
    assert post(operator, "score", {"ground_truth": TRUTHS}).status_code == 200
    assert Prediction.objects.filter(model__is_virtual=True).count() == 3
    status = operator.get(f"{URL}/status").json()
    assert (status["model_count"], status["total"]) == (2, 6)
    assert status["by_status"] == {"SCORED": 5, "FAILED": 1}
    again = post(operator, "inference", {"features": features(3)}).json()
    assert again == {**asked, "status": "scored"}


def test_repeated_posts_answer_the_same(operator, worker):
    for what, body in (
        ("inference", {"features": features(3)}),
        ("score", {"ground_truth": TRUTHS}),
    ):
        once, again = post(operator, what, body), post(operator, what, body)
        assert once.status_code == again.status_code == 200
        assert once.json() == again.json()
    assert Round.objects.count() == 3
    assert LogEntry.objects.count() == 2  # what was done, not what was asked


def test_a_differing_repetition_is_409(operator, worker):
    post(operator, "inference", {"features": features(3)})
    other = post(operator, "inference", {"features": features(2)})
    assert (other.status_code, other.json()["code"]) == (409, "tournament_conflict")
    post(operator, "score", {"ground_truth": TRUTHS})
    other = post(operator, "score", {"ground_truth": TRUTHS[::-1]})
    assert (other.status_code, other.json()["code"]) == (409, "tournament_conflict")


def test_without_a_worker_it_is_202_and_the_status_tells_how_far(
    operator, nobody, competition, gateway
):
    asked = post(operator, "inference", {"features": features(3)})
    assert asked.status_code == 202
    assert asked.json()["status"] == "open"
    early = post(operator, "score", {"ground_truth": TRUTHS})
    assert (early.status_code, early.json()["code"]) == (409, "tournament_conflict")
    assert operator.get(f"{URL}/status").json()["samples_asked"] == 0
    ask_all(competition, gateway)
    again = post(operator, "inference", {"features": features(3)})
    assert (again.status_code, again.json()["prediction_count"]) == (200, 6)


def test_a_broker_that_is_down_costs_no_round(
    operator, nobody, competition, monkeypatch
):
    def down(*args, **options):
        raise OperationalError("refused")

    monkeypatch.setattr(current_app, "send_task", down)
    assert post(operator, "inference", {"features": features(1)}).status_code == 202
    assert Round.objects.count() == 1


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("what", "body", "refusal"),
    [
        ("inference", {}, (422, "required")),
        ("inference", {"features": []}, (422, "tournament_invalid")),
        ("inference", {"features": [1]}, (422, "tournament_invalid")),
        ("inference", {"features": [{}], "scope": "x"}, (422, "tournament_invalid")),
        ("inference", {"features": {}}, (422, "not_a_list")),
        ("inference", [], (422, "invalid")),
        ("score", {}, (422, "required")),
        ("score", {"ground_truth": [{}]}, (404, "tournament_not_found")),
    ],
)
def test_what_cannot_be_taken_has_a_code(operator, competition, what, body, refusal):
    answer = post(operator, what, json.dumps(body))
    assert (answer.status_code, answer.json()["code"]) == refusal
    assert not Round.objects.exists()


def test_bodies_are_large_but_bounded(operator, nobody, competition):
    wide = {"features": [{"x": "y" * 1000}] * 3_000}
    assert post(operator, "inference", wide).status_code == 202
    huge = {"features": [{"x": "y" * 17 * 2**20}]}
    answer = post(operator, "inference", huge)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert str(16 * 2**20) in answer.json()["detail"]


def test_few_requests_wait_at_once_so_that_others_are_served(
    operator, nobody, competition, monkeypatch
):
    monkeypatch.setattr(tournament, "WAIT_S", 600.0)
    free = tournament._MAY_WAIT
    assert free.acquire(blocking=False)
    assert free.acquire(blocking=False)
    try:
        answer = post(operator, "inference", {"features": features(1)})
    finally:
        free.release(2)
    assert (answer.status_code, answer.json()["status"]) == (202, "open")


def test_no_key_of_another_competition_posts(client, nobody, competition):
    other = lifecycle.create_competition(slug="other", pack_name="baseline")
    _, token = create_key(name="bot", scopes=["admin"], competition=other)
    for what in ("inference", "score"):
        answer = client.post(
            f"{URL}/{what}?competition=btc",
            {"features": features(1), "ground_truth": [{}]},
            content_type="application/json",
            headers={"X-API-Key": token},
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "key_out_of_reach")
    assert not Round.objects.exists()


@pytest.mark.parametrize("round_id", ["a%25", "%2e%2e%20x", "%27", "a" * 101, "%C3%A9"])
def test_an_odd_id_opens_no_round(operator, nobody, competition, round_id):
    answer = operator.post(
        f"/tournament/rounds/{round_id}/inference",
        {"features": features(1)},
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "tournament_invalid")


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "1e999", "[" * 40 + "]" * 40, "[" * 100_000]
)
def test_odd_numbers_and_depths_open_no_round(operator, nobody, competition, value):
    answer = post(operator, "inference", '{"features": [{"x": ' + value + "}]}")
    assert (answer.status_code, answer.json()["code"]) == (400, "body_invalid")


def test_truths_before_the_answers_are_refused(operator, nobody, competition):
    post(operator, "inference", {"features": features(1)})
    answer = post(operator, "score", {"ground_truth": TRUTHS[:1]})
    assert (answer.status_code, answer.json()["code"]) == (409, "tournament_conflict")
    assert not Round.objects.filter(actuals__isnull=False).exists()


def test_a_round_that_is_not_there_has_a_status(client, competition):
    assert client.get("/tournament/rounds/none/status").json() == {
        "round_id": "none",
        "status": "not_found",
        "total": 0,
        "by_status": {},
    }


def test_a_paused_competition_opens_no_round(operator, nobody, competition):
    lifecycle.pause(competition_id=competition.pk)
    answer = post(operator, "inference", {"features": features(1)})
    assert (answer.status_code, answer.json()["code"]) == (409, "definition_incomplete")


def test_strangers_post_nothing(client, competition):
    for what in ("inference", "score"):
        assert post(client, what, {"features": features(1)}).status_code == 401
    assert not Round.objects.exists()


@pytest.mark.parametrize(
    ("what", "codename"),
    [("inference", "predict_competition"), ("score", "score_competition")],
)
def test_each_post_has_a_permission_of_its_own(
    client, nobody, competition, what, codename
):
    user = User.objects.create_user("pia", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename=codename))
    client.force_login(user)
    answered = {
        each: post(client, each, {}).json()["code"] for each in ("inference", "score")
    }
    assert answered.pop(what) == "required"
    assert set(answered.values()) == {"permission_denied"}


def test_a_round_of_another_competition_is_not_found(operator, nobody, competition):
    other = lifecycle.create_competition(slug="other", pack_name="baseline")
    lifecycle.activate(competition_id=other.pk)
    post(operator, "inference?competition=other", {"features": features(2)})
    told = {
        slug: operator.get(f"{URL}/status", {"competition": slug}).json()["status"]
        for slug in ("btc", "other")
    }
    assert told == {"btc": "not_found", "other": "open"}


def test_a_scope_is_that_of_its_schedule(operator, nobody, db, frozen_clock):
    competition = lifecycle.create_competition(slug="t", pack_name="tournament")
    competition.status = "ACTIVE"
    competition.save()
    asked = post(
        operator,
        "inference?competition=t",
        {"features": features(1), "scope": "out-of-sample-btc"},
    )
    assert asked.status_code == 202
    status = operator.get(f"{URL}/status", {"competition": "t"}).json()
    assert status["scope_key"] == "out-of-sample-btc"


def test_a_truth_that_nobody_has_scored_yet_is_202(
    operator, worker, competition, monkeypatch
):
    post(operator, "inference", {"features": features(3)})
    monkeypatch.setattr(tournament, "WAIT_S", 0.0)
    monkeypatch.setattr(tournament, "run_cycle", lambda **_: None)
    answer = post(operator, "score", {"ground_truth": TRUTHS})
    assert (answer.status_code, answer.json()["status"]) == (202, "inference_complete")


def test_of_a_sample_that_was_scored_again_the_newest_score_is_told(operator, worker):
    post(operator, "inference", {"features": features(3)})
    post(operator, "score", {"ground_truth": TRUTHS})
    old = Score.objects.order_by("prediction__round__sample").first()
    Score.objects.create(
        prediction=old.prediction,
        model=old.model,
        scoring_version=old.scoring_version + 1,
        value=7.0,
        success=True,
        scored_at=old.scored_at,
    )
    told = post(operator, "score", {"ground_truth": TRUTHS}).json()
    assert (told["scores_count"], told["results"][0]["score"]) == (5, 7.0)


def test_a_sample_that_was_voided_since_has_no_score(operator, worker):
    post(operator, "inference", {"features": features(3)})
    post(operator, "score", {"ground_truth": TRUTHS})
    Round.objects.filter(sample=1).update(status="VOID", reason="void: a wrong truth")
    told = post(operator, "score", {"ground_truth": TRUTHS}).json()
    assert told["scores_count"] == 3
    assert {each["sample"] for each in told["results"]} == {0, 2}
