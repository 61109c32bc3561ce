"""An orchestrator that sends false data harms no model that it lists correctly."""

import asyncio
import json
import threading

import pytest

from competitions.gateway.link import Link
from tests.competitions.gateway.conftest import ask, wait_live
from tests.waiting import wait_for

RUNNING = {
    "model_id": "odd",
    "deployment_id": "odd_1",
    "infos": {"model_name": "odd"},
    "state": "RUNNING",
    "ip": "127.0.0.1",
    "port": 9,
}


def update(*models):
    return json.dumps({"event": "update", "data": list(models)})


def test_a_refusal_that_each_link_repeats_is_logged_once(caplog):
    async def hear(*words):
        link = Link("localhost", 1, "crunch", None)
        for said in words:
            await link.handle_event(json.dumps({"error": said}))

    asyncio.run(hear("of a", "of a", "of b"))
    refused = [m for m in caplog.messages if "gateway.refused" in m]
    assert [text for text in refused if "of a" in text] == refused[:1]
    assert len(refused) == 2


@pytest.fixture
def gateway(stage):
    stage.add("steady")
    gateway = stage.gateway()
    wait_live(gateway, "steady")
    return gateway


def test_a_refused_competition_is_told_of_until_the_orchestrator_serves_it(
    stage, gateway
):
    def told():
        answer = ask(gateway, {"steady", "elsewhere"})["elsewhere"]
        return answer.code, answer.reason

    stage.orchestrator.say(json.dumps({"error": "this is another crunch"}))
    refused = ("NO_ORCHESTRATOR", "the orchestrator refuses its competition")
    wait_for(lambda: told() == refused)
    stage.orchestrator.say(update())
    wait_for(lambda: told() == ("UNKNOWN", "the orchestrator does not know it"))


SENSELESS = [
    "not JSON",
    "[1, 2]",
    "null",
    '{"event": "update"}',
    '{"event": "init", "data": null}',
    '{"event": "update", "data": {"model_id": "odd"}}',
    '{"event": "party", "data": []}',
    update(7),
    update({}),
    update({**RUNNING, "model_id": None}),
    update({**RUNNING, "model_id": ["odd"]}),
    update({**RUNNING, "infos": "none"}),
    update({**RUNNING, "infos": None, "deployment_id": None}),
    update({k: v for k, v in RUNNING.items() if k != "state"}),
    update({**RUNNING, "state": "DANCING"}),
    update({**RUNNING, "state": ["RUNNING"]}),
    update({**RUNNING, "ip": None, "port": None}),
    update({**RUNNING, "ip": "no such host", "port": "many"}),
    update({**RUNNING, "ip": "127.0.0.1", "port": -5}),
    update({**RUNNING, "ip": {"a": 1}, "port": 10**9}),
    update({**RUNNING, "ip": "nul\0", "port": 1}),
    "[" * 100_000,
]


def test_a_senseless_frame_is_passed_over(stage, gateway):
    address = stage.add("next").socket
    wait_live(gateway, "steady", "next")
    for number, frame in enumerate(SENSELESS):
        stage.orchestrator.say(frame)
        # What follows on the same link is still heard.
        name = f"renamed after {number}"
        stage.orchestrator.announce("next", address=address, model_name=name)

        wait_for(lambda name=name: name in {i.name for i in gateway.roster()})
        assert gateway.is_connected
        answers = ask(gateway, ["steady", "next"])
        assert {a.outcome for a in answers.values()} == {"ANSWERED"}, answers
        assert gateway.live() == {"steady", "next"}
        for identity in gateway.roster():
            assert identity.state in ("RUNNING", "RECOVERING", "STOPPED"), frame[:99]


def test_an_address_that_is_none_is_named_in_the_models_error(stage, gateway):
    stage.orchestrator.say(
        update(
            {**RUNNING, "model_id": "below-0", "port": -5},
            {**RUNNING, "model_id": "nul", "ip": "nul\0", "port": 1},
        )
    )

    def errors():
        found = {i.model_id: i.error for i in gateway.roster() if i.error}
        return found if found.keys() == {"below-0", "nul"} else None

    for error in wait_for(errors).values():
        assert "connection failed at" in error


def test_one_bad_model_in_a_frame_costs_the_others_nothing(stage, gateway):
    stage.add("next")
    stage.orchestrator.withdraw("next")
    wait_for(lambda: gateway.live() == {"steady"})
    good = {**stage.orchestrator.models["next"], "state": "RUNNING"}

    stage.orchestrator.say(update(7, {"model_id": None}, good))

    wait_live(gateway, "next")


def test_texts_are_cut_to_what_a_row_holds(stage, gateway):
    infos = {
        "model_name": "n\0" + "x" * 5_000,
        "cruncher_id": "\ud800" + "c" * 5_000,
        "cruncher_name": 7,
        "cruncher_wallet_pubkey": ["w"],
    }
    odd = {**RUNNING, "infos": infos, "deployment_id": 17}
    stage.orchestrator.say(update(odd))

    identity = wait_for(
        lambda: next((i for i in gateway.roster() if i.model_id == "odd"), None)
    )
    assert identity.name == "n\N{REPLACEMENT CHARACTER}" + "x" * 197 + "…"
    assert identity.cruncher_id == "\N{REPLACEMENT CHARACTER}" + "c" * 118 + "…"
    assert (identity.cruncher_name, identity.deployment_id) == ("7", "17")


def test_a_model_id_that_no_row_holds_is_refused(stage, gateway):
    for model_id in ("m" * 121, "nul\0", "\ud800", ""):
        stage.orchestrator.say(update({**RUNNING, "model_id": model_id}))
    stage.add("next")
    wait_live(gateway, "next")

    assert {i.model_id for i in gateway.roster()} == {"steady", "next"}


def test_the_same_model_twice_is_one_model(stage, gateway):
    steady = stage.orchestrator.models["steady"]
    for _ in range(3):
        stage.orchestrator.say(update(steady, steady))
    stage.add("next")
    wait_live(gateway, "steady", "next")

    assert len(gateway.roster()) == 2
    assert ask(gateway, ["steady"])["steady"].outcome == "ANSWERED"


def test_an_oversize_frame_costs_the_link_and_not_the_round(stage, gateway):
    stage.orchestrator.say(json.dumps({"event": "update", "data": ["x" * 2**24]}))
    wait_for(lambda: not gateway.is_connected)

    assert ask(gateway, ["steady"])["steady"].outcome == "ANSWERED"
    wait_for(lambda: gateway.is_connected)


def test_an_orchestrator_that_hangs_delays_no_close(stage, gateway, caplog):
    until = threading.Event()
    stage.orchestrator.hang(until)

    gateway.close()

    until.set()
    assert "gateway.close_timed_out" not in caplog.text


def test_an_orchestrator_that_hangs_up_is_not_hammered_and_its_words_are_kept(
    stage, gateway, caplog, monkeypatch
):
    monkeypatch.setattr("competitions.gateway.link.Link.retry_s", 0.1)
    stage.orchestrator.refusal = "crunch_id is required"
    before = len(stage.orchestrator.opened_at)
    stage.orchestrator.pause()
    stage.orchestrator.start()
    wait_for(lambda: len(stage.orchestrator.opened_at) - before >= 4)

    first, *_, fourth = stage.orchestrator.opened_at[before : before + 4]
    assert fourth - first >= 0.1 + 0.2 + 0.4  # each pause twice the one before
    assert "crunch_id is required" in caplog.text
    assert ask(gateway, ["steady"])["steady"].outcome == "ANSWERED"

    stage.orchestrator.refusal = ""
    stage.add("next")
    wait_live(gateway, "steady", "next")
