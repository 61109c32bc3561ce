"""An invalid answer is FAILED with its reason, and costs its own model alone."""

import json

import pytest

from competitions.callables import guarded_calls
from competitions.gateway.types import ModelAnswer
from competitions.models import (
    CallableFailure,
    Competition,
    ParticipantModel,
    Prediction,
)
from tests.competitions import own_callables
from tests.competitions.rounds.conftest import ask, outcomes

pytestmark = pytest.mark.usefixtures("tape")


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"value": float("nan")}, "value was nan"),
        ({"value": "much"}, "value was 'much'"),
        ({"price": 1.0}, r"keys were ['price']; one of ['value'] is needed"),
        ({"value": 1.0, "extra": [float("inf")]}, "a number was inf"),
        ("text", "value was 'text'"),
    ],
)
def test_an_invalid_output_fails_that_model_only_and_its_owner_is_told(
    round_, result, reason
):
    ask(round_, {"good": 1.0, "bad": result})
    assert outcomes() == {"good": "ANSWERED", "bad": "FAILED"}
    failed = Prediction.objects.get(outcome="FAILED")
    assert reason in failed.reason
    assert failed.output["raw_output"] == json.dumps(result)
    assert reason in ParticipantModel.objects.get(model_id="bad").last_error
    assert ParticipantModel.objects.get(model_id="good").last_error == ""


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ({"value": ["x" * 10**6] * 20}, "value was ['xxx"),
        ({"k" * 10**6: 1}, "keys were ['kkk"),
        ({"value": "\r\0\ud800"}, r"value was '\r\x00\ud800'"),
        ({"value": 1.0, "x": "x" * 20_000}, "the output has 20020 bytes; at most"),
    ],
)
def test_the_problem_of_an_invalid_output_is_as_short_as_any_text(
    round_, result, reason, caplog
):
    ask(round_, {"good": 1.0, "bad": result})
    assert outcomes() == {"good": "ANSWERED", "bad": "FAILED"}
    failed = Prediction.objects.get(outcome="FAILED")
    assert reason in failed.reason
    assert len(failed.reason) <= 2_000
    assert {len(text) <= 2_000 for text in failed.output.values()} == {True}
    line = next(m for m in caplog.messages if "prediction.output_invalid" in m)
    assert len(line) < 1_000


OWN = "tests.competitions.own_callables"


def test_a_contract_says_how_large_a_stored_output_may_be(competition, round_):
    Competition.objects.update(config_path="tests.competitions.own_callables:roomy")
    round_.competition.refresh_from_db()
    gateway = ask(round_, {"a": {"value": 1.0, "x": "x" * 20_000}})
    assert outcomes() == {"a": "ANSWERED"}
    assert gateway.asked[0][1].largest_answer_bytes == 32 * 2**10


REFUSALS = (
    "no shorts, please",
    "Object of type datetime is not JSON serializable",
)


@pytest.mark.parametrize(
    ("validator", "stored"),
    [
        ("doubling_in_place", {"a": {"value": 4.0}, "b": {"value": -2.0}}),
        ("refusing_the_negative", {"a": {"value": 2.0}}),
        ("dating_the_negative", {"a": {"value": 2.0}}),
    ],
)
def test_a_validator_judges_each_answer_alone(round_, validator, stored):
    Competition.objects.update(
        slots={"INFERENCE_OUTPUT_VALIDATOR": f"{OWN}:{validator}"}
    )
    round_.competition.refresh_from_db()
    ask(round_, {"a": {"value": 2.0}, "b": {"value": -1.0}})
    answered = Prediction.objects.filter(outcome="ANSWERED")
    assert dict(answered.values_list("model__model_id", "output")) == stored
    for failed in Prediction.objects.filter(outcome="FAILED"):
        problem = failed.reason.removeprefix("invalid output: ")
        assert problem in REFUSALS
        assert failed.output == {
            "_validation_error": problem,
            "raw_output": '{"value": -1.0}',
        }


@pytest.fixture
def wired(round_):
    """Wire a validator; those that hang in it go on after the test."""

    def wire(validator):
        path = f"{OWN}:{validator}"
        Competition.objects.update(slots={"INFERENCE_OUTPUT_VALIDATOR": path})
        round_.competition.refresh_from_db()
        return f"INFERENCE_OUTPUT_VALIDATOR ({path})"

    own_callables.WOKEN.clear()
    yield wire
    own_callables.WOKEN.set()


def values(**of_models):
    return {model: {"value": value} for model, value in of_models.items()}


def test_an_answer_for_which_a_validator_hangs_fails_alone(round_, wired, monkeypatch):
    monkeypatch.setattr(guarded_calls, "PATIENCE_S", 2.0)
    name = wired("hanging_at_the_negative")
    silent = ModelAnswer("d", "FAILED", reason="mine")
    ask(round_, {**values(a=1.0, b=-1.0, c=2.0), "d": silent})
    by_model = Prediction.objects.order_by("model__model_id")
    assert list(by_model.values_list("outcome", "reason")) == [
        ("ANSWERED", ""),
        ("FAILED", f"invalid output: {name}: it took longer than 2 s"),
        ("ANSWERED", ""),
        ("FAILED", "mine"),
    ]
    assert CallableFailure.objects.get().text == "Late: it took longer than 2 s"


def test_a_validator_that_keeps_hanging_is_left_alone(round_, wired, monkeypatch):
    monkeypatch.setattr(guarded_calls, "PATIENCE_S", 0.2)
    name = wired("hanging_at_the_negative")
    ask(round_, values(**dict.fromkeys("abcdef", -1.0)))
    reasons = set(Prediction.objects.values_list("outcome", "reason"))
    assert reasons == {("FAILED", f"invalid output: {name}: it took longer than 0.2 s")}


def test_a_validator_that_ends_its_thread_costs_that_answer_alone(round_, wired):
    wired("leaving_at_the_negative")
    ask(round_, values(a=-1.0, b=-2.0, c=-3.0, d=-4.0, e=1.0))
    assert outcomes() == {**dict.fromkeys("abcd", "FAILED"), "e": "ANSWERED"}
    reasons = Prediction.objects.filter(outcome="FAILED").values_list("reason")
    assert set(reasons) == {("invalid output: it left",)}


def test_what_the_wire_refused_is_kept_as_the_model_said_it(round_):
    refused = ModelAnswer(
        "a", "FAILED", reason="predict: it is not JSON", raw="[1, NaN\r"
    )
    ask(round_, {"a": refused})
    assert Prediction.objects.get().output == {
        "_validation_error": "predict: it is not JSON",
        "raw_output": "[1, NaN\n",
    }
