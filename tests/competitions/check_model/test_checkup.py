"""The participants' self-test says what a model's owner needs to know."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from competitions.check_model.checkup import _wait_set_up, check_model
from competitions.check_model.debugging import debug_model
from competitions.contract import CrunchConfig
from competitions.gateway.gateway import ModelGateway
from competitions.local_models import control
from competitions.local_models.control import ControlError
from competitions.local_models.launch import PROJECT
from competitions.local_models.trees import scratch_folder
from competitions.slots import wire
from tests.competitions.gateway.conftest import LIMIT_S, STEADY, predicting
from tests.competitions.local_models.conftest import ROW
from tests.waiting import AMPLE_S, wait_for
from tests.warm import manage

EXAMPLES = PROJECT / "competitions" / "local_models" / "examples"
CANDLES = [
    {"ts": 60 * i, "open": c, "high": c, "low": c, "close": c, "volume": 1.0}
    for i, c in enumerate([100.0, 101.0, 100.5, 102.0, 101.7, 103.0, 102.2, 102.9])
]


def check(path, **options):
    return check_model(
        path=path,
        wiring=wire(CrunchConfig(), {}),
        base_classname="tracker.TrackerBase",
        candles=CANDLES,
        **{"rounds": 4, "timeout_s": AMPLE_S, **options},
    )


@pytest.fixture
def model(tmp_path):
    def write(source):
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "main.py").write_text(source)
        return folder

    return write


def test_a_good_model_is_fit():
    found = check(EXAMPLES / "momentum")

    assert found.is_fit
    assert (found.rounds, found.answered, found.problems) == (4, 4, {})
    assert found.is_deterministic
    assert found.setup_s > 0
    assert 0 < found.p50_ms <= found.p99_ms < found.limit_ms
    assert 10 < found.peak_mb < 500
    assert found.sample["value"] != 0


def test_a_model_that_raises_is_shown_its_own_error(model):
    found = check(model(predicting("return 1 / 0")))

    assert not found.is_fit
    text = "predict: ZeroDivisionError: division by zero (main.py:5)"
    assert found.problems == {text: 4}
    assert "return 1 / 0" in found.log


def test_an_output_that_breaks_the_schema_is_named(model):
    found = check(model(predicting('return {"valu": 1.0}')))

    (problem,) = found.problems
    assert problem == "invalid output: keys were ['valu']; one of ['value'] is needed"


def test_chance_is_noticed(model):
    found = check(model(predicting("return random.random()", head="import random")))

    assert found.is_fit
    assert found.is_deterministic is False


def test_a_model_that_cannot_be_set_up_is_not_asked(model):
    found = check(model("raise OSError('no weights')"))

    assert (found.setup_s, found.rounds) == (None, 0)
    assert list(found.problems) == ["setup failed: OSError: no weights (main.py:1)"]


def test_a_machine_that_cannot_start_a_model_is_no_fault_of_the_model(tmp_path):
    gateway = ModelGateway(
        host="127.0.0.1", port=9, crunch_id="test", base_classname="", timeout_s=1.0
    )
    row = replace(
        ROW,
        model_id="first",
        state="RECOVERING",
        error="it could not be started: its process ended (exit code 1): no memory",
    )
    control.write_status(tmp_path, [row])

    with pytest.raises(ControlError, match="the machine is at fault: it could not be"):
        _wait_set_up(gateway, tmp_path, ["first", "second"], time.perf_counter())


def test_a_slow_model_meets_the_limit(model):
    source = predicting("time.sleep(60)", head="import time")
    found = check(model(source), timeout_s=LIMIT_S, rounds=1)

    assert list(found.problems) == ["predict: no answer in 5 s"]
    assert found.p99_ms >= 5_000


def test_a_feed_update_that_raises_is_a_problem_though_the_question_is_answered(model):
    source = STEADY + "    def feed_update(self, data): raise KeyError('price')\n"
    found = check(model(source))

    assert found.answered == 4
    assert found.problems == {"feed_update: KeyError: 'price' (main.py:6)": 4}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            "return numpy.float32(1)",
            "the answer was of type numpy.float32; answer float",
        ),
        ("return (1.0, 2.0)", "the answer was of type builtins.tuple; answer float"),
        ("return float('nan')", "the answer was nan; it must be finite"),
        (
            "return {'value': float('inf')}",
            "the answer is not JSON: Out of range float",
        ),
        (
            "return {'value': 1.0, 'x': 'x' * 16 * 2**10}",
            "the answer had 16407 bytes; at most 16384 are taken",
        ),
        ("return {'value': 1.0, 'x': 'x' * 2 * 2**20}", "the answer exceeds 1 MiB"),
        (
            "x = 1.0\nfor _ in range(40): x = {'value': x}\nreturn x",
            "the answer is nested deeper than 32 levels",
        ),
    ],
)
def test_an_output_that_cannot_be_kept_is_refused_with_advice(model, body, problem):
    found = check(model(predicting(body, head="import numpy")), rounds=1)

    assert not found.is_fit
    (text,) = found.problems
    assert problem in text


def test_without_a_sandbox_the_model_runs_in_this_process(model, monkeypatch, capfd):
    monkeypatch.setattr(sys, "path", [*sys.path])
    source = predicting(
        "print('process', os.getpid())\n"
        "return {'value': float(len(self.closes(subject)))}",
        head="import os",
    )
    try:
        found = debug(model(source))
    finally:
        sys.modules.pop("main", None)

    assert found.is_fit
    assert (found.rounds, found.answered, found.sample) == (4, 4, {"value": 8.0})
    assert found.is_deterministic is None
    assert f"process {os.getpid()}" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("return 1 / 0", "predict: ZeroDivisionError: division by zero (main.py:5)"),
        ("return numpy.int64(1)", "predict: the answer was of type numpy.int64"),
        ("return 'nul \\0'", "predict: the answer contains a NUL character"),
        ("return {'valu': 1}", "invalid output: keys were ['valu']"),
    ],
)
def test_without_a_sandbox_problems_are_told_alike(model, monkeypatch, body, problem):
    monkeypatch.setattr(sys, "path", [*sys.path])
    try:
        found = debug(model(predicting(body, head="import numpy")))
    finally:
        sys.modules.pop("main")

    (text,) = found.problems
    assert text.startswith(problem)


def debug(path):
    return debug_model(
        path=path,
        wiring=wire(CrunchConfig(), {}),
        base_classname="tracker.TrackerBase",
        candles=CANDLES,
        rounds=4,
        timeout_s=AMPLE_S,
    )


def test_a_breakpoint_stops_in_the_model(model):
    found = coordinator(
        *("check-model", model(predicting("breakpoint(); return 1.0"))),
        *("--no-sandbox", "-n", "1"),
        typed="p subject\nc\n",
    )

    assert found.returncode == 0, found.stderr
    assert "(Pdb) 'BTC" in found.stdout
    assert "sandbox       none: within this process" in found.stdout


def test_a_recorded_feed_is_replayed(model, tmp_path):
    feed = tmp_path / "candles.csv"
    rows = [f"{60 * i},1,1,1,{i}.5,1" for i in range(200)]
    feed.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]))
    echo = predicting("return {'value': self.closes(subject)[-1]}")

    found = coordinator("check-model", model(echo), "-n", "2", "--feed", feed)

    assert found.returncode == 0, found.stderr
    assert "last answer   {'value': 121.5}" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n", "0"], "rounds was '0'; give a whole number from 1 on."),
        (["--timeout=-1"], "timeout was '-1'; give a number of seconds above 0"),
        (["--timeout", "nan"], "timeout was 'nan'; give a number"),
        (["--timeout", "inf"], "timeout was 'inf'; give a number"),
        (["--feed", "none.csv"], "'none.csv', which is not a file"),
    ],
)
def test_a_bad_argument_is_told_in_a_sentence(model, arguments, message):
    found = coordinator("check-model", model(STEADY), *arguments)

    assert found.returncode != 0
    assert message in found.stderr
    assert "Traceback" not in found.stderr


def test_a_check_that_is_killed_leaves_no_process(model):
    path = model(predicting("while True: pass"))
    # Not pytest's folder: the name of a socket holds 107 bytes.
    with scratch_folder("killed-check-") as place:
        with subprocess.Popen(
            [PROJECT / "coordinator", "check-model", path],
            env={"PATH": os.defpath, "TMPDIR": str(place)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                pids = wait_for(lambda: running_below(place))
            finally:
                process.kill()
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def running_below(place):
    for logs in place.glob("check-model-*/logs"):
        return [each.pid for each in control.status(logs) if each.pid]
    return []


def test_the_command_ends_with_a_code_and_a_sentence(tmp_path):
    good = coordinator("check-model", EXAMPLES / "contrarian", "-n", "3")
    assert good.returncode == 0, good.stderr
    assert "answers       3 of 3" in good.stdout

    bad = coordinator("check-model", tmp_path)
    assert bad.returncode == 1
    assert bad.stderr == f"Error: model was {tmp_path}, which has no main.py.\n"


def coordinator(*arguments, typed=None):
    if typed is None:
        return manage("coordinator", *arguments, env={"PATH": os.defpath})
    return subprocess.run(
        [PROJECT / "coordinator", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        input=typed,
        env={"PATH": os.defpath},
    )
