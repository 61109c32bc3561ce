"""What a model's own code does wrong harms no other, beside a steady model.

In each test the steady model's answer of the same round arrives.
"""

import textwrap

import pytest

from competitions.gateway.types import Argument, Call
from tests.competitions.gateway.conftest import (
    HANGING,
    LIMIT_S,
    QUESTION,
    STEADY,
    ask,
    bad_answer,
    beside_steady,
    failure_codes,
    predicting,
    wait_live,
)
from tests.waiting import wait_for


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


def test_a_call_that_no_model_answers_is_told_of_once_until_one_does(stage, caplog):
    # Each failure has words of its own, as a hostile model's would.
    source = predicting(
        """
        if resolve_horizon_seconds == 60:
            raise ValueError(f"no idea at {time.monotonic_ns()}")
        return {"value": 0.0}
        """,
        head="import time",
    )
    stage.add_all({"one": source, "two": source})
    gateway = stage.gateway()
    wait_live(gateway, "one", "two")

    def times_told():
        return sum("gateway.all_models_failed" in text for text in caplog.messages)

    for _ in range(3):
        ask(gateway, ["one", "two"])
    assert times_told() == 1
    other = Call("predict", (QUESTION.args[0], Argument("INT", 61), QUESTION.args[2]))
    answers = ask(gateway, ["one", "two"], question=other)
    assert {answer.outcome for answer in answers.values()} == {"ANSWERED"}
    ask(gateway, ["one", "two"])
    assert times_told() == 2


def test_a_round_in_which_all_run_out_of_time_is_held_against_none(stage):
    """As when the site's process was stopped meanwhile: no model is paused for it."""
    stage.add_all({"one": HANGING, "two": HANGING})
    gateway = stage.gateway(timeout_s=LIMIT_S)
    wait_live(gateway, "one", "two")

    codes = [{a.code for a in ask(gateway, ["one", "two"]).values()} for _ in range(2)]

    assert codes == [{"TIMEOUT"}, {"BUSY"}]


@pytest.mark.parametrize("method", ["predict", "feed_update"])
def test_raising_in_one_method_only_counts_for_that_method(stage, method):
    source = STEADY + f"    def {method}(self, *args): raise ValueError('only here')\n"
    gateway = beside_steady(stage, source, max_consecutive_failures=2)

    outcomes = {bad_answer(gateway).outcome for _ in range(3)}

    assert outcomes == {"FAILED" if method == "predict" else "ANSWERED"}
    wait_for(lambda: failure_codes(stage) == [("bad", "MULTIPLE_FAILED")])
    assert method in stage.orchestrator.reports[0]["failure_reason"]


def test_a_hanging_model_costs_one_round_and_is_then_left_alone(stage):
    gateway = beside_steady(stage, HANGING, timeout_s=LIMIT_S)

    first = bad_answer(gateway)
    assert (first.outcome, first.reason) == ("FAILED", "predict: no answer in 5 s")

    second, third = bad_answer(gateway), bad_answer(gateway)
    assert (second.outcome, third.outcome) == ("ABSENT", "FAILED")
    assert "still busy" in third.reason


def test_only_real_timeouts_count_neither_pauses_nor_busy(stage):
    gateway = beside_steady(
        stage,
        predicting(
            """
            while not GO.exists():
                time.sleep(0.01)
            GO.unlink()
            print("done", flush=True)
            return {"value": 0.0}
            """,
            head="import pathlib, time\nGO = pathlib.Path(__file__).with_name('go')",
        ),
        timeout_s=LIMIT_S,
        max_consecutive_timeouts=1,
    )
    model = stage.models["bad"]

    assert bad_answer(gateway).reason == "predict: no answer in 5 s"
    assert bad_answer(gateway).reason == "paused after it ran out of time"
    assert bad_answer(gateway).reason.endswith("still busy with an earlier call")
    assert failure_codes(stage) == []
    (model.folder / "go").touch()
    wait_for(lambda: "done" in model.log_path.read_text())
    assert bad_answer(gateway).reason == "predict: no answer in 5 s"

    wait_for(lambda: failure_codes(stage))
    assert failure_codes(stage) == [("bad", "MULTIPLE_TIMEOUT")]


def test_a_model_that_never_ends_a_call_is_reported(stage):
    """It has turned off the watch that would end its process."""
    gateway = beside_steady(
        stage,
        predicting(
            """
            faulthandler.cancel_dump_traceback_later()
            threading.Event().wait()
            """,
            head="import faulthandler, threading",
        ),
        timeout_s=LIMIT_S,
        max_consecutive_timeouts=2,
    )
    assert bad_answer(gateway).reason == "predict: no answer in 5 s"
    assert bad_answer(gateway).outcome == "ABSENT"  # paused

    reasons = {bad_answer(gateway).reason.partition(": ")[2] for _ in range(3)}

    assert reasons == {"still busy with an earlier call"}
    wait_for(lambda: failure_codes(stage) == [("bad", "MULTIPLE_TIMEOUT")])
    assert "3 times in a row" in stage.orchestrator.reports[0]["failure_reason"]


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


def answering_in_turn(bodies: list[str]) -> str:
    """Source of a model that answers its nth question as the nth body does."""
    answers = "".join(
        f"def answer_{n}():\n{textwrap.indent(body, '    ')}\n"
        for n, body in enumerate(bodies)
    )
    return predicting(
        "asked.append(1)\nreturn globals()[f'answer_{len(asked) - 1}']()",
        head=f"import numpy\nasked = []\n{answers}",
    )


NOT_KEPT = [
    ("return numpy.float32(1)", "the answer was of type numpy.float32"),
    ("return {'value': numpy.float32(1)}", "float32 is not JSON serializable"),
    ("return numpy.int64(1)", "the answer was of type numpy.int64"),
    ("return (1.0, 2.0)", "the answer was of type builtins.tuple"),
    ("return b'bytes'", "the answer was of type builtins.bytes"),
    ("return float('nan')", "the answer was nan; it must be finite"),
    ("return {'value': float('inf')}", "the answer is not JSON"),
    ("return 2**70", "beyond 64 bits"),
    ("return {'value': 'nul: \\0'}", "contains a NUL character"),
    ("return '\\ud800'", "UnicodeEncodeError"),
    ("x = []\nfor _ in range(99_999): x = [x]\nreturn x", "nested too deeply"),
    ("x = []\nfor _ in range(800): x = [x]\nreturn x", "deeper than 32 levels"),
    ("x = 1\nfor _ in range(33): x = {'a': x}\nreturn x", "deeper than 32"),
    (
        "return 'x' * (16 * 2**10 + 1)",
        "the answer had 16385 bytes; at most 16384 are taken",
    ),
    ("return [[]] * 8_000", "the answer had 32000 bytes"),
    ("return 'x' * (2 * 2**20)", "the answer exceeds 1 MiB"),
]


def test_an_answer_that_cannot_be_kept_is_failed_with_advice(stage):
    gateway = beside_steady(stage, answering_in_turn([body for body, _ in NOT_KEPT]))
    for body, reason in NOT_KEPT:
        answer = bad_answer(gateway)
        assert answer.outcome == "FAILED", body
        assert reason in answer.reason, body


KEPT = [
    ("return 0.5", 0.5),
    ("return numpy.float64(0.5)", 0.5),
    ("return 3", 3),
    ("return True", True),
    ("return None", None),
    ("return 'up'", "up"),
    ("x = 1\nfor _ in range(3): x = [x]\nreturn x", [[[1]]]),
    ("return [1, {'a': None}]", [1, {"a": None}]),
    ("return '\\\\u0000 is only text'", "\\u0000 is only text"),
    ("return 'x' * (16 * 2**10)", "x" * (16 * 2**10)),
]


def test_plain_answers_arrive_as_they_are(stage):
    gateway = beside_steady(stage, answering_in_turn([body for body, _ in KEPT]))
    for body, result in KEPT:
        answer = bad_answer(gateway)
        assert (answer.outcome, answer.result) == ("ANSWERED", result), body


def test_what_feed_update_returns_is_nobodys_business(stage):
    source = STEADY + "    def feed_update(self, data): return 'x' * 2**20\n"
    gateway = beside_steady(stage, source)

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
