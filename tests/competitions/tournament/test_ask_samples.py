"""Samples of posted rounds are asked once each, in batches, by the gateway's owner."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from competitions import lifecycle
from competitions.gateway.errors import GatewayError, MethodMissingError
from competitions.gateway.types import ModelAnswer
from competitions.models import ParticipantModel, Prediction, TournamentRound
from competitions.tournament import ask_samples
from competitions.tournament.ask_samples import ask_some
from competitions.tournament.opening import open_round
from tests.competitions.tournament.conftest import SampleGateway, ask_all, features
from tests.conftest import NOW
from tests.kills import dies


def answers(round_):
    rows = Prediction.objects.filter(round__tournament=round_).order_by(
        "round__sample", "model__model_id"
    )
    return [
        (p.round.sample, p.model.model_id, p.outcome, p.output.get("value"))
        for p in rows.select_related("round", "model")
    ]


def test_every_model_answers_every_sample_once(competition, opened):
    gateway = SampleGateway({"a": lambda x: x / 2, "b": lambda x: -x})
    assert ask_all(competition, gateway) == 1
    opened.refresh_from_db()
    assert (opened.status, opened.asked, opened.reason) == ("INFERRED", 3, "")
    assert answers(opened) == [
        (0, "a", "ANSWERED", 0.0),
        (0, "b", "ANSWERED", 0.0),
        (1, "a", "ANSWERED", 0.5),
        (1, "b", "ANSWERED", -1.0),
        (2, "a", "ANSWERED", 1.0),
        (2, "b", "ANSWERED", -2.0),
    ]
    feeds, questions = {f for f, _, _ in gateway.asked}, gateway.asked
    assert feeds == {None}
    assert [q.args[0].value for _, q, _ in questions] == features(3)


def test_a_failure_costs_that_sample_of_that_model_alone(competition, opened):
    gateway = SampleGateway(
        {"a": float, "b": lambda x: ValueError("no") if x == 0 else x}
    )
    ask_all(competition, gateway)
    assert [row[2] for row in answers(opened)] == [
        *("ANSWERED", "FAILED"),
        *("ANSWERED", "ANSWERED") * 2,
    ]


def test_batches_are_bounded_and_go_on_where_the_last_ended(
    competition, opened, monkeypatch
):
    monkeypatch.setattr(ask_samples, "BATCH_SAMPLES", 2)
    gateway = SampleGateway({"a": lambda x: x})
    assert ask_some(competition_id=competition.pk, gateway=gateway)
    opened.refresh_from_db()
    assert (opened.status, opened.asked) == ("OPEN", 2)
    assert ask_all(competition, gateway) == 1
    assert len(gateway.asked) == 3
    assert len(answers(opened)) == 3


def test_a_gateway_that_is_lost_keeps_what_was_answered(competition, opened):
    lost = SampleGateway({"a": lambda x: x}, error=GatewayError("gone"), dies_after=2)
    with pytest.raises(GatewayError):
        ask_some(competition_id=competition.pk, gateway=lost)
    opened.refresh_from_db()
    assert (opened.status, opened.asked) == ("OPEN", 2)
    next_owner = SampleGateway({"a": lambda x: x})
    ask_all(competition, next_owner)
    assert [q.args[0].value for _, q, _ in next_owner.asked] == [{"x": 2}]
    assert len(answers(opened)) == 3


@pytest.mark.django_db(transaction=True)
def test_killed_before_any_statement_nothing_is_doubled_or_lost(competition):
    step, is_whole = 0, False
    while not is_whole:
        step += 1
        round_ = open_round(
            competition=competition, round_id=f"r{step}", features=features(3)
        )
        is_whole = not dies(
            step,
            lambda: ask_some(
                competition_id=competition.pk,
                gateway=SampleGateway({"a": lambda x: x, "b": lambda x: x}),
            ),
        )
        ask_all(competition, SampleGateway({"a": lambda x: x, "b": lambda x: x}))
        round_.refresh_from_db()
        assert (round_.status, round_.asked) == ("INFERRED", 3)
        assert len(answers(round_)) == 6
    assert step > 5


def test_a_mistake_of_the_competition_is_the_rounds_reason_and_harms_no_other(
    competition, opened
):
    other = open_round(competition=competition, round_id="r2", features=[{"x": 9}])

    class Missing(SampleGateway):
        def ask(self, *, feed, question, expected):
            if question.args[0].value["x"] != 9:
                raise MethodMissingError("no model has predict")
            return super().ask(feed=feed, question=question, expected=expected)

    assert ask_some(competition_id=competition.pk, gateway=Missing({"a": lambda x: x}))
    opened.refresh_from_db()
    other.refresh_from_db()
    assert opened.status == "OPEN"
    assert "no model has predict" in opened.reason
    assert other.status == "INFERRED"
    ask_all(competition, SampleGateway({"a": lambda x: x}))
    opened.refresh_from_db()
    assert (opened.status, opened.reason) == ("INFERRED", "")


def test_models_that_are_still_connecting_are_waited_for(competition, opened):
    gateway = SampleGateway({"a": lambda x: x, "b": lambda x: x})
    gateway.connecting = {"b"}
    assert not ask_some(competition_id=competition.pk, gateway=gateway)
    opened.refresh_from_db()
    assert opened.reason == "1 of 2 models are still connecting"
    gateway.is_roster_complete = True
    assert ask_some(competition_id=competition.pk, gateway=gateway)


def test_a_paused_competition_asks_nobody(competition, opened):
    lifecycle.pause(competition_id=competition.pk)
    gateway = SampleGateway({"a": lambda x: x})
    assert not ask_some(competition_id=competition.pk, gateway=gateway)
    assert gateway.asked == []


def test_statements_of_a_batch_do_not_grow_with_samples_and_models(
    competition, monkeypatch
):
    monkeypatch.setattr(ask_samples, "BATCH_SAMPLES", 2_000)
    monkeypatch.setattr(ask_samples, "BATCH_S", 600.0)
    models = {name: (lambda x: x / 1000) for name in "abc"}
    counts = []
    for name, samples in (("warm", 1), ("few", 2), ("many", 2_000)):
        open_round(competition=competition, round_id=name, features=features(samples))
        with CaptureQueriesContext(connection) as queries:
            ask_some(competition_id=competition.pk, gateway=SampleGateway(models))
        counts.append(len(queries))
    assert counts[1] == counts[2] <= 15
    assert Prediction.objects.count() == 3 * 2_003
    assert not TournamentRound.objects.to_ask().exists()


def test_a_batch_ends_when_its_time_is_over(competition, opened, monkeypatch):
    monkeypatch.setattr(ask_samples, "BATCH_S", 0.0)
    assert ask_all(competition, SampleGateway({"a": lambda x: x})) == 3
    assert len(answers(opened)) == 3


def test_the_oldest_round_is_asked_first(competition, at):
    rounds = []
    for minutes, name in ((0, "late"), (-1, "early")):
        with at(NOW + timedelta(minutes=minutes)):
            rounds.append(
                open_round(
                    competition=competition, round_id=name, features=[{"x": minutes}]
                )
            )
    gateway = SampleGateway({"a": lambda x: x})
    ask_all(competition, gateway)
    assert [q.args[0].value["x"] for _, q, _ in gateway.asked] == [-1, 0]


def test_an_owner_asks_about_rounds_of_its_own_competition_alone(competition):
    other = lifecycle.create_competition(slug="other", pack_name="baseline")
    other = lifecycle.activate(competition_id=other.pk)
    round_ = open_round(competition=other, round_id="r", features=features(1))
    gateway = SampleGateway({"a": lambda x: x})
    assert not ask_some(competition_id=competition.pk, gateway=gateway)
    assert gateway.asked == []
    assert answers(round_) == []


def test_who_is_not_connected_or_has_no_models_asks_nobody(competition, opened):
    gateway = SampleGateway({"a": lambda x: x})
    gateway.is_connected = False
    assert not ask_some(competition_id=competition.pk, gateway=gateway)
    nobody = SampleGateway({"a": lambda x: x})
    nobody.connecting = {"a"}
    nobody.is_roster_complete = True
    assert not ask_some(competition_id=competition.pk, gateway=nobody)
    opened.refresh_from_db()
    assert (opened.status, opened.reason) == ("OPEN", "no model is connected")
    assert gateway.asked == nobody.asked == []


class Meanwhile(SampleGateway):
    """Does something else, once, while the first sample is asked about."""

    def __init__(self, models, something):
        super().__init__(models)
        self.something = something

    def ask(self, **asked):
        something, self.something = self.something, lambda: None
        something()
        return super().ask(**asked)


def test_models_that_all_go_away_cost_no_more_samples(competition, opened):
    gateway = Meanwhile({"a": lambda x: x}, lambda: gateway.connecting.add("a"))
    assert ask_all(competition, gateway) == 1
    assert len(answers(opened)) == 1
    opened.refresh_from_db()
    assert (opened.status, opened.reason) == ("OPEN", "no model is connected")
    gateway.connecting.clear()
    ask_all(competition, gateway)
    assert [value for *_, value in answers(opened)] == [0, 1, 2]


def test_what_another_owner_has_stored_meanwhile_is_not_stored_again(
    competition, opened
):
    first = SampleGateway({"a": lambda x: x + 10})
    second = Meanwhile({"a": lambda x: x}, lambda: ask_all(competition, first))
    assert ask_some(competition_id=competition.pk, gateway=second)  # without a failure
    assert [value for *_, value in answers(opened)] == [10, 11, 12]


def test_a_round_that_became_void_meanwhile_stays_void(competition, opened):
    def void():
        opened.rounds.update(status="VOID")
        TournamentRound.objects.update(status="VOID")

    ask_all(competition, Meanwhile({"a": lambda x: x}, void))
    opened.refresh_from_db()
    assert (opened.status, opened.inferred_at) == ("VOID", None)
    assert answers(opened) == []
    assert not opened.rounds.filter(performed_at__isnull=False).exists()


def test_a_model_that_nobody_knows_costs_the_others_nothing(competition, opened):
    class Odd(SampleGateway):
        def ask(self, **asked):
            found = super().ask(**asked)
            stranger = ModelAnswer("stranger", "ANSWERED", 1.0)
            return replace(found, answers=[*found.answers, stranger])

    ask_all(competition, Odd({"a": lambda x: x}))
    assert [model for _, model, *_ in answers(opened)] == ["a", "a", "a"]


def test_a_model_that_fails_is_shown_as_failing_and_then_as_well(competition):
    def fail_at_zero(x):
        return ValueError("no") if x == 0 else float(x)

    seen = []
    for name, x in (("r1", 0), ("r2", 1)):
        open_round(competition=competition, round_id=name, features=[{"x": x}])
        ask_all(competition, SampleGateway({"a": fail_at_zero}))
        model = ParticipantModel.objects.get()
        seen.append((model.last_error, model.first_error_at is not None))
    assert seen[0] == ("predict: no", True)
    assert seen[1][1] is False
