"""A round's answers are stored once, whole or not at all."""

import pytest
from django.db import OperationalError

from competitions.gateway.types import ModelAnswer
from competitions.models import ParticipantModel, Prediction, Round
from competitions.rounds import store_answers
from tests.competitions.rounds.conftest import ask, outcomes

pytestmark = pytest.mark.usefixtures("tape")


def test_of_very_many_invalid_outputs_the_log_tells_the_first_and_the_number(
    round_, caplog
):
    ask(round_, {f"m{i:03d}": "text" for i in range(50)})
    assert sum("prediction.output_invalid" in m for m in caplog.messages) == 20
    assert any("prediction.outputs_invalid" in m for m in caplog.messages)


def test_the_models_own_error_text_is_kept(round_):
    boom = ModelAnswer("a", "FAILED", reason="ValueError: boom", exec_time_us=10)
    ask(round_, {"a": boom})
    assert Prediction.objects.get().reason == "ValueError: boom"


def test_a_failing_feed_update_is_shown_to_the_models_owner(round_):
    answer = ModelAnswer(
        "a", "ANSWERED", {"value": 1.0}, warning="feed_update: KeyError"
    )
    ask(round_, {"a": answer})
    assert outcomes() == {"a": "ANSWERED"}
    assert ParticipantModel.objects.get().last_error == "feed_update: KeyError"


def test_performing_twice_stores_once(round_):
    ask(round_, {"a": 1.0})
    stale = Round.objects.select_related(
        "competition", "scheduled_prediction__competition"
    ).get()
    ask(stale, {"a": 2.0})
    assert Prediction.objects.get().output == {"value": 1.0}


@pytest.mark.django_db(transaction=True)
def test_a_round_whose_answers_cannot_be_kept_goes_on_waiting(
    competition, round_, monkeypatch
):
    """Else it would be taken for asked, and end without a single answer."""

    def full(*_):
        raise OperationalError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(store_answers, "copy_rows", full)
        with pytest.raises(OperationalError):
            ask(round_, {"a": 1.0})
    assert Round.objects.waiting().get().performed_at is None
    ask(round_, {"a": 1.0})
    assert outcomes() == {"a": "ANSWERED"}
