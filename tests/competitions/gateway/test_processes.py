"""A model's process that starts, ends, stops or comes back, beside a steady model.

In each test the steady model's answer of the same round arrives.
"""

import os
import threading

import pytest

from tests.competitions.gateway.conftest import (
    LIMIT_S,
    STEADY,
    ask,
    bad_answer,
    beside_steady,
    forget_model,
    predicting,
    wait_live,
)
from tests.waiting import wait_for

# --- Setting up


@pytest.mark.parametrize(
    ("source", "code", "reason"),
    [
        ("class Model: pass", "BAD_IMPLEMENTATION", "no subclass of tracker.Tracker"),
        ("import nonsense", "BAD_IMPLEMENTATION", "No module named 'nonsense'"),
        (
            predicting("pass", head="raise ValueError('a\\0b\\r\\ud800')"),
            "BAD_IMPLEMENTATION",
            "ValueError: a\ufffdb\n? (main.py:1)",
        ),
        (
            predicting("pass", head="raise ValueError('x' * 3 * 2**20)"),
            "BAD_IMPLEMENTATION",
            "ValueError: " + "x" * 1_987 + "…",
        ),
        (
            STEADY + "    def __init__(self): raise OSError('no weights')\n",
            "MULTIPLE_FAILED",
            "OSError: no weights (main.py:6)",
        ),
    ],
)
def test_a_model_that_cannot_be_made_is_reported_with_the_reason(
    stage, source, code, reason
):
    stage.add("steady")
    stage.add("bad", source)
    gateway = stage.gateway()
    wait_live(gateway, "steady")

    (report,) = wait_for(lambda: stage.orchestrator.reports)

    assert (report["model_id"], report["failure_code"]) == ("bad", code)
    assert reason in report["failure_reason"]
    answer = bad_answer(gateway)
    assert answer.outcome == "ABSENT"
    assert reason in answer.reason
    identity = next(i for i in gateway.roster() if i.model_id == "bad")
    assert reason in identity.error


def test_a_base_class_unknown_to_the_runner_is_reported(stage):
    stage.add("bad", "from tracker import TrackerBase as Base")
    gateway = stage.gateway()

    (report,) = wait_for(lambda: stage.orchestrator.reports)

    assert report["failure_reason"] == "no subclass of tracker.TrackerBase in main.py"
    assert gateway.live() == set()


def test_a_slow_setup_delays_nobody(stage):
    stage.add("steady")
    stage.add("bad", "import time; time.sleep(2)\n" + STEADY)
    gateway = stage.gateway()
    wait_live(gateway, "steady")

    assert bad_answer(gateway).reason == "its process is starting"
    stage.orchestrator.withdraw("steady")
    wait_for(lambda: gateway.live() == set())

    wait_live(gateway, "bad")
    assert ask(gateway, ["bad"])["bad"].outcome == "ANSWERED"


def test_a_setup_that_never_ends_is_given_up(stage):
    stage.add("steady")
    stage.add("bad", "import time; time.sleep(60)\n" + STEADY)
    gateway = stage.gateway(setup_timeout_s=LIMIT_S)
    wait_live(gateway, "steady")

    wait_for(lambda: gateway.roster()[1].error)

    assert bad_answer(gateway).reason == "setup did not finish within 5 s"


def test_a_dead_port_delays_nobody(stage):
    stage.add("steady")
    stage.orchestrator.announce("bad", address=("127.0.0.1", 9))
    gateway = stage.gateway()
    wait_live(gateway, "steady")

    assert bad_answer(gateway).outcome == "ABSENT"


# --- Processes that end, stop and come back


def test_killed_while_asked_is_failed_at_once(stage):
    gateway = beside_steady(
        stage,
        predicting("os.kill(os.getpid(), 9)", head="import os"),
    )

    answer = bad_answer(gateway)

    assert answer.outcome == "FAILED"
    assert answer.reason == "predict: its process ended while it was asked"


def test_a_call_within_its_time_limit_is_not_ended_as_hung(stage):
    source = predicting("time.sleep(2)\nreturn {'value': 1.0}", head="import time")
    stage.add("slow", source, **{"hang-s": 0.5})
    gateway = stage.gateway()
    wait_live(gateway, "slow")

    assert ask(gateway, ["slow"])["slow"].outcome == "ANSWERED"


def test_killed_for_good_is_absent_and_costs_the_others_nothing(stage):
    gateway = beside_steady(stage, STEADY)
    stage.models["bad"].kill()
    bad_answer(gateway)

    answers = [bad_answer(gateway) for _ in range(5)]

    # FAILED where it was tried again meanwhile.
    assert {"ABSENT"} <= {a.outcome for a in answers} <= {"ABSENT", "FAILED"}


def test_killed_and_back_on_the_same_address_heals_unannounced(stage):
    gateway = beside_steady(stage, STEADY)
    model = stage.models["bad"]
    model.kill()
    assert bad_answer(gateway).outcome in ("FAILED", "ABSENT")

    model.start()

    wait_live(gateway, "bad")
    assert bad_answer(gateway).result == {"value": 1.0}


def test_a_runner_that_lost_its_model_is_set_up_within_the_same_call(stage):
    gateway = beside_steady(stage, STEADY)
    forget_model(stage.models["bad"].socket)

    assert bad_answer(gateway).result == {"value": 1.0}


def test_killed_and_back_elsewhere_is_asked_there(stage, tmp_path):
    gateway = beside_steady(stage, STEADY)
    model = stage.models["bad"]
    model.kill()
    stage.orchestrator.withdraw("bad", "RECOVERING")
    wait_for(lambda: gateway.live() == {"steady"})
    assert bad_answer(gateway).outcome == "ABSENT"

    model.start(tmp_path / "elsewhere.sock")
    stage.orchestrator.announce("bad", address=model.socket, deployment=2)

    wait_live(gateway, "bad")
    assert bad_answer(gateway).outcome == "ANSWERED"


def test_a_stopped_process_costs_few_rounds(stage):
    gateway = beside_steady(stage, STEADY, timeout_s=LIMIT_S)
    stage.models["bad"].freeze()

    assert bad_answer(gateway).outcome == "FAILED"
    assert bad_answer(gateway).outcome == "ABSENT"  # then ever longer: test_standing.py


def test_withdrawn_while_asked_is_absent_at_once(stage):
    gateway = beside_steady(
        stage,
        predicting("print('asked', flush=True); time.sleep(60)", head="import time"),
    )

    def withdraw():
        wait_for(lambda: "asked" in stage.models["bad"].log_path.read_text())
        stage.orchestrator.withdraw("bad")

    withdrawing = threading.Thread(target=withdraw)
    withdrawing.start()
    answer = bad_answer(gateway)

    withdrawing.join()
    assert answer.outcome == "ABSENT"
    assert answer.reason == "predict: it was stopped while it was asked"


def test_a_replaced_deployment_is_asked_and_the_older_one_forgotten(stage):
    gateway = beside_steady(stage, predicting('return {"value": 7.0}'))
    newer = stage.add("newer", predicting('return {"value": 8.0}'))
    stage.orchestrator.withdraw("newer")

    stage.orchestrator.announce("bad", address=newer.socket, deployment=2)
    wait_for(lambda: bad_answer(gateway).result == {"value": 8.0})
    stage.orchestrator.announce(
        "bad", address=stage.models["bad"].socket, state="STOPPED", deployment=1
    )

    assert bad_answer(gateway).result == {"value": 8.0}


@pytest.mark.parametrize("lie", ["a link", "a file", "another's"])
def test_only_a_plain_socket_of_the_models_own_user_is_connected_to(
    stage, tmp_path, lie
):
    """A model that puts a link in its socket's place gives another's answers."""
    honest = stage.add("steady")
    place, owner = tmp_path / "bad.sock", os.geteuid()
    match lie:
        case "a link":
            place.symlink_to(honest.socket)
        case "a file":
            place.touch()
        case "another's":
            place, owner = honest.socket, owner + 1
    stage.orchestrator.announce("bad", address=place, socket_uid=owner)
    gateway = stage.gateway()
    wait_live(gateway, "steady")
    errors = {"another's": f"not of {owner}"}

    def reason():
        return {i.model_id: i.error for i in gateway.roster()}["bad"]

    wait_for(lambda: errors.get(lie, "is no socket") in reason())
    answers = ask(gateway, ["steady", "bad"])
    assert {a.model_id: a.outcome for a in answers.values()} == {
        "steady": "ANSWERED",
        "bad": "ABSENT",
    }
