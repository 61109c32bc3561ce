"""What a round brings when all is well."""

import inspect

from competitions.gateway.gateway import ModelGateway
from competitions.gateway.types import Argument, Call
from tests.competitions.gateway.conftest import STEADY, ask, predicting, wait_live


def test_every_live_model_is_fed_and_asked(stage):
    stage.add("steady")
    stage.add(
        "attentive",
        predicting('return {"value": 2.0, "heard": self.newest(subject)["symbol"]}'),
    )
    gateway = stage.gateway()
    wait_live(gateway, "steady", "attentive")

    answers = ask(gateway, ["steady", "attentive"])

    assert answers["steady"].result == {"value": 1.0}
    assert answers["attentive"].result == {"value": 2.0, "heard": "BTC"}
    assert {a.outcome for a in answers.values()} == {"ANSWERED"}
    assert all(a.exec_time_us > 0 for a in answers.values())


def test_roster_shows_who_a_model_belongs_to(stage):
    stage.add("steady")
    gateway = stage.gateway()

    (identity,) = gateway.roster()

    assert (identity.model_id, identity.name) == ("steady", "name of steady")
    assert identity.cruncher_id == "cruncher-steady"
    assert identity.cruncher_name == "Cruncher steady"
    assert (identity.wallet, identity.state) == ("wallet", "RUNNING")


def test_a_model_of_which_nothing_is_said_has_the_protocols_names(stage):
    stage.add("steady")
    bare = {**stage.orchestrator.models["steady"], "infos": {}, "deployment_id": ""}
    stage.orchestrator.models["steady"] = bare
    (identity,) = stage.gateway().roster()

    assert (identity.name, identity.cruncher_id) == ("unknown-model", "unknown-player")
    assert identity.cruncher_name == "Unknown"
    assert identity.deployment_id == "unknown-deployment"


def test_a_hundred_failures_and_a_hundred_timeouts_are_borne():
    defaults = inspect.signature(ModelGateway).parameters
    assert defaults["max_consecutive_failures"].default == 100
    assert defaults["max_consecutive_timeouts"].default == 100


def test_a_model_that_nobody_runs_is_absent(stage):
    stage.add("steady")
    gateway = stage.gateway()
    wait_live(gateway, "steady")

    answers = ask(gateway, ["steady", "stranger"])

    assert answers["stranger"].outcome == "ABSENT"
    assert answers["stranger"].reason == "the orchestrator does not know it"
    assert answers["stranger"].exec_time_us is None


def test_a_model_that_joined_meanwhile_answers_and_is_named(stage):
    stage.add("steady")
    gateway = stage.gateway()
    wait_live(gateway, "steady")

    found = gateway.ask(feed=None, question=predict(), expected=[])

    assert [a.model_id for a in found.answers] == ["steady"]
    assert [i.model_id for i in found.joined] == ["steady"]


def test_a_round_without_models_is_empty(stage):
    found = stage.gateway().ask(feed=None, question=predict(), expected=[])

    assert (found.answers, found.joined) == ([], [])


def test_start_does_not_wait_for_an_orchestrator(stage):
    stage.orchestrator.pause()
    gateway = stage.gateway(connects=False)
    assert not gateway.is_connected
    assert gateway.outage == "the orchestrator cannot be reached"
    assert ask(gateway, ["steady"])["steady"].outcome == "ABSENT"

    stage.add("steady", STEADY)
    stage.orchestrator.start()

    wait_live(gateway, "steady")
    assert gateway.outage == ""
    assert ask(gateway, ["steady"])["steady"].outcome == "ANSWERED"


def predict() -> Call:
    return Call(
        "predict", (Argument("STRING", "BTC"), Argument("INT", 60), Argument("INT", 15))
    )
