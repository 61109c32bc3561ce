"""Orchestrator, models and coordinators together: which model is asked, and when."""

import threading

import pytest

from competitions.gateway.errors import ArgumentError, MethodMissingError
from competitions.gateway.types import Argument, Call
from tests.competitions.gateway.conftest import (
    FEED,
    STEADY,
    ask,
    bad_answer,
    beside_steady,
    forget_model,
    predicting,
    wait_live,
)
from tests.waiting import AMPLE_S, wait_for

SETTLE_S = "competitions.gateway.cluster.SETTLE_S"

# --- The orchestrator


def test_the_first_round_of_a_gateway_finds_the_models_that_ran_before(
    stage, monkeypatch
):
    monkeypatch.setattr(SETTLE_S, AMPLE_S)
    stage.add_all({"one": STEADY, "two": STEADY})
    stage.orchestrator.announce("lost", address=stage.folder / "lost.sock")
    gateway = stage.gateway(connects=False)

    assert gateway.wait_settled(AMPLE_S)

    outcomes = {a.outcome for a in ask(gateway, ["one", "two"]).values()}
    assert outcomes == {"ANSWERED"}


def test_no_round_waits_long_for_a_model_that_takes_its_time(stage, monkeypatch):
    monkeypatch.setattr(SETTLE_S, 0.1)
    stage.add("steady")
    stage.add("bad", "import time; time.sleep(60)\n" + STEADY)
    gateway = stage.gateway()

    assert gateway.wait_settled(AMPLE_S)

    wait_live(gateway, "steady")
    assert bad_answer(gateway).outcome == "ABSENT"


def test_models_of_an_orchestrator_that_came_back_are_waited_for(stage, monkeypatch):
    monkeypatch.setattr(SETTLE_S, AMPLE_S)
    gateway = beside_steady(stage, STEADY)
    stage.orchestrator.pause()
    wait_for(lambda: not gateway.is_connected)
    stage.orchestrator.models["bad"]["state"] = "STOPPED"
    stage.orchestrator.start()
    wait_for(lambda: gateway.live() == {"steady"})
    assert not gateway.is_settled

    address = stage.models["bad"].socket
    stage.orchestrator.announce("bad", address=address, deployment=2)

    wait_live(gateway, "bad")
    assert gateway.is_settled
    assert bad_answer(gateway).outcome == "ANSWERED"


def test_rounds_go_on_while_the_orchestrator_is_away(stage):
    gateway = beside_steady(stage, STEADY)
    stage.orchestrator.pause()
    wait_for(lambda: not gateway.is_connected)

    assert gateway.outage == ""
    assert bad_answer(gateway).outcome == "ANSWERED"

    stage.orchestrator.models["bad"]["state"] = "STOPPED"
    stage.orchestrator.start()
    wait_for(lambda: gateway.is_connected and gateway.live() == {"steady"})
    states = {i.model_id: i.state for i in gateway.roster()}
    assert states == {"steady": "RUNNING", "bad": "RECOVERING"}


def test_complaints_of_an_absence_are_not_made_afterwards(stage):
    """By then the orchestrator has started the models anew; they are innocent."""
    gateway = beside_steady(
        stage, predicting("raise ValueError('boom')"), max_consecutive_failures=2
    )
    stage.orchestrator.pause()
    wait_for(lambda: not gateway.is_connected)
    for _ in range(3):
        assert bad_answer(gateway).outcome == "FAILED"
    wait_for(lambda: gateway.live() == {"steady"})

    model = stage.models["bad"]
    model.kill()
    model.write(STEADY)
    model.start()
    stage.orchestrator.start()

    wait_live(gateway, "steady", "bad")
    assert bad_answer(gateway).outcome == "ANSWERED"
    assert stage.orchestrator.reports == []


@pytest.mark.parametrize("state", ["RUNNING", "RECOVERING"])
def test_a_model_that_stays_unlisted_has_left(stage, monkeypatch, state):
    gateway = beside_steady(stage, STEADY)
    stage.orchestrator.withdraw("bad", state)
    wait_for(lambda: gateway.roster()[1].state == state)
    stage.orchestrator.pause()
    stage.orchestrator.models["bad"]["state"] = "STOPPED"
    stage.orchestrator.start()

    monkeypatch.setattr("competitions.gateway.cluster.GRACE_S", 0.0)

    left = {"steady": "RUNNING", "bad": "STOPPED"}
    wait_for(lambda: {i.model_id: i.state for i in gateway.roster()} == left)


def test_what_an_orchestrator_no_longer_lists_is_not_connected_to(stage):
    """A report of the process that died would blame the one that is starting."""
    gateway = beside_steady(stage, STEADY)
    stage.models["bad"].kill()
    bad_answer(gateway)
    connecting = gateway._asker._cluster.pending_model_runs
    wait_for(lambda: "bad" in connecting)
    stage.orchestrator.pause()
    stage.orchestrator.models["bad"]["state"] = "STOPPED"
    stage.orchestrator.start()

    wait_for(lambda: "bad" not in connecting)

    assert gateway.live() == {"steady"}


def test_the_roster_is_complete_after_a_while_without_a_break(stage, monkeypatch):
    gateway = stage.gateway()
    assert not gateway.is_roster_complete

    monkeypatch.setattr("competitions.gateway.cluster.GRACE_S", 0.2)

    wait_for(lambda: gateway.is_roster_complete)
    stage.orchestrator.pause()
    wait_for(lambda: not gateway.is_connected)
    assert not gateway.is_roster_complete


# --- Our own mistakes are held against no model


def test_a_method_that_no_model_has_is_our_mistake(stage):
    gateway = beside_steady(stage, STEADY, max_consecutive_failures=0)
    for calls in (
        {"feed": None, "question": Call("pretend")},
        {"feed": Call("tock", FEED.args)},
    ):
        with pytest.raises(MethodMissingError, match=r"which no model has"):
            ask(gateway, ["steady", "bad"], **calls)

    assert bad_answer(gateway).outcome == "ANSWERED"
    assert stage.orchestrator.reports == []


def test_arguments_that_fit_no_model_are_our_mistake(stage):
    gateway = beside_steady(stage, STEADY, max_consecutive_failures=0)
    too_many = Call("predict", (Argument("INT", 1),) * 4)

    answers = ask(gateway, ["steady", "bad"], question=too_many)

    assert {a.outcome for a in answers.values()} == {"FAILED"}
    assert "takes 4 positional arguments but 5 were given" in answers["bad"].reason
    assert gateway.live() == {"steady", "bad"}
    assert stage.orchestrator.reports == []


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (Argument("INT", 2**63), "argument 1 of predict was 9223372036854775808"),
        (Argument("INT", "many"), "argument 1 of predict was 'many'"),
        (Argument("JSON", {"a": float("nan")}), "argument 1 of predict was {'a': nan}"),
        (Argument("COLOUR", "red"), r"argument 1 of predict was 'red' \(COLOUR\)"),
    ],
)
def test_an_argument_that_cannot_be_sent_names_itself(stage, argument, message):
    gateway = beside_steady(stage, STEADY)

    with pytest.raises(ArgumentError, match=message):
        ask(gateway, ["steady"], question=Call("predict", (argument,)))

    assert bad_answer(gateway).outcome == "ANSWERED"


# --- History


def test_a_model_that_joins_late_is_shown_the_newest_feed_updates(stage):
    remembering = (
        STEADY.replace("1.0", "len(self.seen)")
        + "    def __init__(self): super().__init__(); self.seen = []\n"
        + "    def feed_update(self, data): self.seen.append(data)\n"
    )
    gateway = beside_steady(stage, remembering)
    for _ in range(3):
        bad_answer(gateway)
    stage.add("late", remembering)
    wait_live(gateway, "late")
    assert ask(gateway, ["late"])["late"].result == {"value": 4}

    forget_model(stage.models["bad"].socket)
    # The update that finds the model gone is replayed with the rest, then shown.
    assert bad_answer(gateway).result["value"] >= 5


def test_history_of_the_callers_own_is_shown_before_the_first_question(stage):
    stage.add("steady", predicting('return {"value": self.newest(subject)["price"]}'))
    seen = []

    def history(identity):
        seen.append(identity.model_id)
        data = {"symbol": "BTC", "price": 42}
        return [Call("feed_update", (Argument("JSON", data),))]

    gateway = stage.gateway(on_joined=history)
    wait_live(gateway, "steady")

    assert ask(gateway, ["steady"], feed=None)["steady"].result == {"value": 42}
    assert seen == ["steady"]

    ask(gateway, ["steady"])
    stage.add("late")
    wait_live(gateway, "late")
    assert seen == ["steady"], "the gateway has newer feed updates of its own"


def test_history_that_fails_keeps_no_model_out(stage):
    stage.add("steady")
    gateway = stage.gateway(on_joined=lambda identity: 1 / 0)

    wait_live(gateway, "steady")


# --- A second coordinator


def test_two_coordinators_at_once_get_no_model_reported(stage):
    """The lock prevents it; where it happens all the same, nobody is to blame."""
    slow = predicting("time.sleep(0.2); return {'value': 1.0}", head="import time")
    names = [f"slow{number}" for number in range(3)]
    for name in names:
        stage.add(name, slow)
    # A model that was busy in every round would be reported after the fifth.
    gateways = [stage.gateway(max_consecutive_timeouts=4) for _ in "ab"]
    for gateway in gateways:
        wait_live(gateway, *names)

    rounds = []
    threads = [
        threading.Thread(
            target=lambda g=gateway: rounds.extend(ask(g, names) for _ in range(4))
        )
        for gateway in gateways
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    reasons = {a.reason for answers in rounds for a in answers.values()}
    assert len(rounds) == 8
    assert {r.partition(": ")[2] for r in reasons} <= {
        "",
        "still busy with an earlier call",
    }
    for gateway in gateways:
        wait_live(gateway, *names)
    assert stage.orchestrator.reports == []


def test_rounds_asked_at_once_wait_for_each_other(stage):
    stage.add(
        "slow",
        predicting("time.sleep(0.1); return {'value': 1.0}", head="import time"),
    )
    gateway = stage.gateway()
    wait_live(gateway, "slow")

    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(ask(gateway, ["slow"])["slow"]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answer.outcome for answer in answers] == ["ANSWERED"] * 4
