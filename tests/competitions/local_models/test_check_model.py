"""The participants' self-test says what a model's owner needs to know."""

import os
import subprocess

import pytest

from competitions.contract import CrunchConfig
from competitions.local_models.checkup import check_model
from competitions.local_models.supervisor import PROJECT
from competitions.slots import wire
from tests.competitions.gateway.conftest import predicting

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
        **{"rounds": 4, "timeout_s": 1.0, **options},
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
    assert found.setup_s < 10
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


def test_a_slow_model_meets_the_limit(model):
    source = predicting("time.sleep(2)", head="import time")
    found = check(model(source), timeout_s=0.2, rounds=1)

    assert list(found.problems) == ["predict: no answer in 0.2 s"]
    assert found.p99_ms >= 200


def test_the_command_ends_with_a_code_and_a_sentence(tmp_path):
    good = coordinator("check-model", EXAMPLES / "contrarian", "-n", "3")
    assert good.returncode == 0, good.stderr
    assert "answers       3 of 3" in good.stdout

    bad = coordinator("check-model", tmp_path)
    assert bad.returncode == 1
    assert bad.stderr == f"CommandError: model was {tmp_path}, which has no main.py.\n"


def coordinator(*arguments):
    return subprocess.run(
        [PROJECT / "coordinator", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath},
    )
