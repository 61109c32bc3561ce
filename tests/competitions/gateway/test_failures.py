"""One bad model harms no other: every kind of failure beside a steady model.

In each test the steady model's answer of the same round arrives.
"""

import signal
import threading
import time

import pytest

from competitions.gateway.errors import ArgumentError, MethodMissingError
from competitions.gateway.types import Argument, Call
from tests.competitions.gateway.conftest import (
    FEED,
    STEADY,
    ask,
    predicting,
    wait_for,
    wait_live,
)

HANGING = predicting("while True: time.sleep(1)", head="import time")


def beside_steady(stage, source, **gateway_options):
    """A steady and a bad model, both live, and their gateway."""
    stage.add("steady")
    stage.add("bad", source)
    gateway = stage.gateway(**gateway_options)
    wait_live(gateway, "steady", "bad")
    return gateway


def bad_answer(gateway, **call):
    """One round: the steady model answers; returns the bad one's answer."""
    answers = ask(gateway, ["steady", "bad"], **call)
    assert answers["steady"].outcome == "ANSWERED"
    return answers["bad"]


def failure_codes(stage):
    return [(r["model_id"], r["failure_code"]) for r in stage.orchestrator.reports]


# --- What the model's own code does


def test_raising_is_failed_with_the_models_own_words(stage):
    gateway = beside_steady(stage, predicting('raise ValueError("no idea")'))

    answer = bad_answer(gateway)

    assert answer.outcome == "FAILED"
    assert answer.reason == "predict: ValueError: no idea (main.py:5)"
    assert answer.exec_time_us > 0


def test_raising_again_and_again_is_reported_with_the_reason(stage):
    gateway = beside_steady(
        stage, predicting('raise ValueError("boom")'), max_consecutive_failures=2
    )

    for _ in range(3):
        assert bad_answer(gateway).outcome == "FAILED"
    wait_for(lambda: gateway.live() == {"steady"})

    (report,) = wait_for(lambda: stage.orchestrator.reports)
    assert (report["model_id"], report["failure_code"]) == ("bad", "MULTIPLE_FAILED")
    assert "ValueError: boom" in report["failure_reason"]
    answer = bad_answer(gateway)
    assert answer.outcome == "ABSENT"
    assert "3 times in a row: ValueError: boom" in answer.reason


@pytest.mark.parametrize("method", ["predict", "feed_update"])
def test_raising_in_one_method_only_counts_for_that_method(stage, method):
    source = STEADY + f"    def {method}(self, *args): raise ValueError('only here')\n"
    gateway = beside_steady(stage, source, max_consecutive_failures=2)

    outcomes = {bad_answer(gateway).outcome for _ in range(3)}

    assert outcomes == {"FAILED" if method == "predict" else "ANSWERED"}
    wait_for(lambda: failure_codes(stage) == [("bad", "MULTIPLE_FAILED")])
    assert method in stage.orchestrator.reports[0]["failure_reason"]


def test_a_hanging_model_costs_one_round_and_is_then_left_alone(stage):
    gateway = beside_steady(stage, HANGING)

    started = time.monotonic()
    first = bad_answer(gateway)
    assert time.monotonic() - started < 1.0
    assert (first.outcome, first.reason) == ("FAILED", "predict: no answer in 0.5 s")

    started = time.monotonic()
    second, third = bad_answer(gateway), bad_answer(gateway)
    assert time.monotonic() - started < 0.3
    assert (second.outcome, third.outcome) == ("ABSENT", "FAILED")
    assert "still busy" in third.reason


def test_only_real_timeouts_count_neither_pauses_nor_busy(stage):
    gateway = beside_steady(
        stage,
        predicting("time.sleep(0.4); return {'value': 0.0}", head="import time"),
        timeout_s=0.2,
        max_consecutive_timeouts=2,
    )

    reasons = []
    while "3 times in a row" not in (reason := bad_answer(gateway).reason):
        reasons.append(reason)
        time.sleep(0.1)

    assert sum("no answer" in reason for reason in reasons) == 3
    assert len(reasons) > 3
    assert failure_codes(stage) == [("bad", "MULTIPLE_TIMEOUT")]


def test_a_success_clears_what_was_held_against_a_model(stage):
    gateway = beside_steady(
        stage,
        predicting(
            """
            calls.append(1)
            if len(calls) % 3:
                raise ValueError("two of three")
            return {"value": 0.0}
            """,
            head="calls = []",
        ),
        max_consecutive_failures=2,
    )

    outcomes = [bad_answer(gateway).outcome for _ in range(9)]

    assert outcomes == ["FAILED", "FAILED", "ANSWERED"] * 3
    assert stage.orchestrator.reports == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return numpy.float32(1)", "the answer was of type numpy.float32"),
        ("return {'value': numpy.float32(1)}", "float32 is not JSON serializable"),
        ("return numpy.int64(1)", "the answer was of type numpy.int64"),
        ("return (1.0, 2.0)", "the answer was of type builtins.tuple"),
        ("return b'bytes'", "the answer was of type builtins.bytes"),
        ("return float('nan')", "the answer was nan; it must be finite"),
        ("return {'value': float('inf')}", "the answer is not JSON"),
        ("return 2**70", "beyond 64 bits"),
        ("return {'value': 'nul: \\0'}", "holds a NUL character"),
        ("return '\\ud800'", "UnicodeEncodeError"),
        ("x = []\nfor _ in range(99_999): x = [x]\nreturn x", "nested too deeply"),
        ("x = []\nfor _ in range(800): x = [x]\nreturn x", "deeper than 32 levels"),
        ("x = 1\nfor _ in range(33): x = {'a': x}\nreturn x", "deeper than 32"),
        ("return 'x' * (9 * 2**20)", "the answer exceeds 8 MiB"),
    ],
)
def test_an_answer_that_cannot_be_kept_is_failed_with_advice(stage, body, reason):
    gateway = beside_steady(stage, predicting(body, head="import numpy"), timeout_s=3)

    answer = bad_answer(gateway)

    assert answer.outcome == "FAILED"
    assert reason in answer.reason


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ("return 0.5", 0.5),
        ("return numpy.float64(0.5)", 0.5),
        ("return 3", 3),
        ("return True", True),
        ("return None", None),
        ("return 'up'", "up"),
        ("x = 1\nfor _ in range(3): x = [x]\nreturn x", [[[1]]]),
        ("return [1, {'a': None}]", [1, {"a": None}]),
        ("return '\\\\u0000 is only text'", "\\u0000 is only text"),
        ("return 'x' * (5 * 2**20)", "x" * (5 * 2**20)),
    ],
)
def test_plain_answers_arrive_as_they_are(stage, body, result):
    gateway = beside_steady(stage, predicting(body, head="import numpy"), timeout_s=3)

    answer = bad_answer(gateway)

    assert (answer.outcome, answer.result) == ("ANSWERED", result)


def test_what_feed_update_returns_is_nobodys_business(stage):
    source = STEADY + "    def feed_update(self, data): return 'x' * (7 * 2**20)\n"
    gateway = beside_steady(stage, source, timeout_s=3)

    assert bad_answer(gateway).result == {"value": 1.0}


def test_a_failing_feed_update_is_told_beside_the_answer(stage):
    source = STEADY + "    def feed_update(self, data): raise KeyError('price')\n"
    gateway = beside_steady(stage, source)

    answer = bad_answer(gateway)

    assert (answer.outcome, answer.result, answer.reason) == (
        "ANSWERED",
        {"value": 1.0},
        "",
    )
    assert answer.warning == "feed_update: KeyError: 'price' (main.py:6)"


def test_hiding_the_method_counts_like_a_failure(stage):
    gateway = beside_steady(
        stage, STEADY + "    predict = None\n", max_consecutive_failures=2
    )

    for _ in range(3):
        assert bad_answer(gateway).reason == "predict: Model has no method predict"

    wait_for(lambda: failure_codes(stage) == [("bad", "MULTIPLE_FAILED")])


def test_sys_exit_is_a_failure_like_any_other(stage):
    gateway = beside_steady(stage, predicting("raise SystemExit(3)"))

    assert bad_answer(gateway).reason == "predict: SystemExit: 3 (main.py:5)"
    assert bad_answer(gateway).outcome == "FAILED"


# --- Setting up


@pytest.mark.parametrize(
    ("source", "code", "reason"),
    [
        ("class Model: pass", "BAD_IMPLEMENTATION", "no subclass of tracker.Tracker"),
        ("import nonsense", "BAD_IMPLEMENTATION", "No module named 'nonsense'"),
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
    started = time.monotonic()
    wait_for(lambda: gateway.live() == set())
    assert time.monotonic() - started < 0.5

    wait_live(gateway, "bad")
    assert ask(gateway, ["bad"])["bad"].outcome == "ANSWERED"


def test_a_setup_that_never_ends_is_given_up(stage):
    stage.add("steady")
    stage.add("bad", "import time; time.sleep(60)\n" + STEADY)
    gateway = stage.gateway(setup_timeout_s=0.3)
    wait_live(gateway, "steady")

    wait_for(lambda: gateway.roster()[1].error)

    assert bad_answer(gateway).reason == "setup did not finish within 0.3 s"


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
        timeout_s=5,
    )

    started = time.monotonic()
    answer = bad_answer(gateway)

    assert time.monotonic() - started < 2
    assert answer.outcome == "FAILED"
    assert answer.reason == "predict: its process ended while it was asked"


def test_killed_for_good_is_absent_and_costs_the_others_nothing(stage):
    gateway = beside_steady(stage, STEADY)
    stage.models["bad"].kill()
    bad_answer(gateway)

    started = time.monotonic()
    answers = [bad_answer(gateway) for _ in range(5)]

    assert time.monotonic() - started < 0.5
    assert {a.outcome for a in answers} == {"ABSENT"}


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


def test_a_stopped_process_costs_few_rounds_and_rejoins(stage):
    gateway = beside_steady(stage, STEADY, timeout_s=0.3)
    stage.models["bad"].signal(signal.SIGSTOP)

    started = time.monotonic()
    outcomes = [bad_answer(gateway).outcome for _ in range(6)]
    assert time.monotonic() - started < 1.5  # rounds 1, 3 and 6 waited for it
    assert outcomes == ["FAILED", "ABSENT", "FAILED", "ABSENT", "ABSENT", "FAILED"]

    stage.models["bad"].signal(signal.SIGCONT)
    wait_for(lambda: bad_answer(gateway).outcome == "ANSWERED")


def test_withdrawn_while_asked_is_absent_at_once(stage):
    gateway = beside_steady(
        stage,
        predicting("time.sleep(3)", head="import time"),
        timeout_s=5,
    )
    threading.Timer(0.3, stage.orchestrator.withdraw, ["bad"]).start()
    started = time.monotonic()
    answer = bad_answer(gateway)

    assert time.monotonic() - started < 1.5
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


# --- The orchestrator


def test_rounds_go_on_while_the_orchestrator_is_away(stage):
    gateway = beside_steady(stage, STEADY)
    stage.orchestrator.pause()
    wait_for(lambda: not gateway.is_connected)

    assert bad_answer(gateway).outcome == "ANSWERED"

    stage.orchestrator.models["bad"]["state"] = "STOPPED"
    stage.orchestrator.start()
    assert gateway.wait_connected(5)
    wait_for(lambda: gateway.live() == {"steady"})
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


def test_a_model_that_stays_unlisted_has_left(stage, monkeypatch):
    gateway = beside_steady(stage, STEADY)
    stage.orchestrator.pause()
    stage.orchestrator.models["bad"]["state"] = "STOPPED"
    stage.orchestrator.start()
    wait_for(lambda: gateway.live() == {"steady"})

    monkeypatch.setattr("competitions.gateway.client.GRACE_S", 0.0)

    states = {i.model_id: i.state for i in gateway.roster()}
    assert states == {"steady": "RUNNING", "bad": "STOPPED"}


def test_the_roster_is_complete_after_a_while_without_a_break(stage, monkeypatch):
    gateway = stage.gateway()
    assert not gateway.is_roster_complete

    monkeypatch.setattr("competitions.gateway.client.GRACE_S", 0.2)

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


def forget_model(socket):
    """What a restart on the same address leaves: a runner without a model."""
    import grpc
    from google.protobuf.empty_pb2 import Empty
    from model_runner_client.grpc.generated.dynamic_subclass_pb2_grpc import (
        DynamicSubclassServiceStub,
    )

    with grpc.insecure_channel(f"unix:{socket}") as channel:
        DynamicSubclassServiceStub(channel).Rest(Empty())


# --- A second coordinator


def test_two_coordinators_at_once_get_no_model_reported(stage):
    """The lock prevents it; where it happens all the same, nobody is to blame."""
    slow = predicting("time.sleep(0.2); return {'value': 1.0}", head="import time")
    names = [f"slow{number}" for number in range(3)]
    for name in names:
        stage.add(name, slow)
    gateways = [stage.gateway(timeout_s=2, max_consecutive_timeouts=0) for _ in "ab"]
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
    assert all(gateway.live() == set(names) for gateway in gateways)
    assert stage.orchestrator.reports == []


def test_rounds_asked_at_once_wait_for_each_other(stage):
    stage.add(
        "slow",
        predicting("time.sleep(0.1); return {'value': 1.0}", head="import time"),
    )
    gateway = stage.gateway(timeout_s=2)
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
