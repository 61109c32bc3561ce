"""A round sends what the tape and the contract say, or is MISSED with the reason."""

import pytest

from competitions.models import Competition, Prediction
from competitions.rounds.build_question import newest_feeds
from competitions.rounds.perform import perform_round
from scoring.replaying import replay
from tests.competitions.conftest import AnsweringGateway
from tests.competitions.rounds.conftest import ask, outcomes

pytestmark = pytest.mark.usefixtures("tape")


def test_models_are_shown_what_the_operators_input_builder_makes(round_):
    Competition.objects.update(
        slots={
            "INFERENCE_INPUT_BUILDER": "tests.competitions.own_callables:build_input",
        }
    )
    round_.competition.refresh_from_db()
    gateway = ask(round_, {"a": 1.0})
    shown = gateway.asked[0][0].args[0].value
    round_.refresh_from_db()
    assert shown == {**round_.raw_data, "built": True}
    assert round_.model_input == shown
    assert outcomes() == {"a": "ANSWERED"}


def test_what_an_input_builder_changes_in_place_the_tape_is_not_said_to_have(round_):
    Competition.objects.update(
        slots={
            "INFERENCE_INPUT_BUILDER": "tests.competitions.own_callables:build_in_place"
        }
    )
    round_.competition.refresh_from_db()
    gateway = ask(round_, {"a": 1.0})
    shown = gateway.asked[0][0].args[0].value
    round_.refresh_from_db()
    assert round_.model_input == shown
    assert round_.raw_data["candles_1m"][1:] == shown["candles_1m"]
    assert replay(round_).is_same


def test_models_are_shown_the_candles_and_asked_with_the_contracts_arguments(round_):
    gateway = ask(round_, {"a": 1.0})
    feed, question, _ = gateway.asked[0]
    assert feed.method == "feed_update"
    assert feed.args[0].value["symbol"] == "BTCUSDT"
    assert question.method == "predict"
    assert [(a.type, a.value) for a in question.args] == [
        ("STRING", "BTCUSDT"),
        ("INT", 60),
        ("INT", 60),
    ]


def test_a_tape_without_candles_misses_the_round_with_the_reason(round_, tape):
    tape()
    assert not perform_round(round_=round_, gateway=AnsweringGateway({"a": 1.0}))
    round_.refresh_from_db()
    assert round_.status == "MISSED"
    assert round_.reason == "the tape has no closed candle of simulated:BTCUSDT"
    assert not Prediction.objects.exists()


def test_the_newest_feed_update_is_what_a_round_would_show(round_):
    (feed,) = newest_feeds(slug="btc")
    gateway = ask(round_, {"a": 1.0})
    assert feed == gateway.asked[0][0]


def test_an_empty_tape_has_no_feed_update(competition, tape):
    tape()
    assert newest_feeds(slug="btc") == []


def test_schedules_of_one_subject_share_a_feed_update(competition):
    scheduled = competition.scheduled_predictions.get()
    scheduled.pk, scheduled.scope_key, scheduled.order = None, "other", 1
    scheduled.save()
    assert len(newest_feeds(slug="btc")) == 1
