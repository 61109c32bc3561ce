"""`check` of the participant's package: the model in a process of its own."""

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from competitions.local_models import model_log, variants
from competitions.local_models.launch import Limits
from competitions.local_models.sandbox import LARGEST_FILE_MB
from tests.participants import imported, lay_out

HEAD = """import os, sys, time
from tracker import TrackerBase

class Mine(TrackerBase):
"""
ASKED = "    def predict(self, subject, resolve_horizon_seconds, step_seconds):\n"
# The body of `predict`; the code that a check gives it; a part of its text.
MODELS = {
    "raiser": (
        "raise ValueError('no mood')",
        "MODEL_FAILED",
        "predict: ValueError: no mood (raiser.py:6)",
    ),
    "narrow": (
        "import numpy; return {'value': numpy.float32(1)}",
        "MODEL_FAILED",
        "float32 is not JSON serializable; answer float, int",
    ),
    "eater": ("self.b = bytearray(2**30)", "MODEL_FAILED", "MemoryError"),
    "leaver": ("os._exit(3)", "DIED", "while it was asked (exit code 3)"),
    "sleeper": ("time.sleep(600)", "TIMEOUT", "predict: no answer in 1 s"),
    "babbler": ("return {'mood': 1.0}", "INVALID_OUTPUT", "keys were ['mood']"),
    "printer": (
        "print('x' * 2**21); return {'value': self.closes(subject)[-1]}",
        "TOO_MUCH_OUTPUT",
        "it printed 1",
    ),
    "forker": (
        "os.fork() or time.sleep(600); return {'value': 1.0}",
        "LEFT_PROCESSES",
        "predict: left processes behind",
    ),
    "copier": ("os.fork(); return {'value': 1.0}", "LEFT_PROCESSES", "left"),
    "dice": (
        "return {'value': float(int.from_bytes(os.urandom(4)))}",
        "NOT_REPEATABLE",
        "two processes",
    ),
    "thief": (
        "return {'value': float(os.environ['CRUNCH_DESK_KEY'])}",
        "MODEL_FAILED",
        "KeyError: 'CRUNCH_DESK_KEY'",
    ),
}
FILES = {
    "stranger": ("import nowhere_at_all", "BAD_IMPLEMENTATION", "nowhere_at_all"),
    "empty": ("x = 1", "BAD_IMPLEMENTATION", "needs one class of TrackerBase"),
    "starter": (
        HEAD + "    def __init__(self):\n        raise ValueError('no start')",
        "SETUP_FAILED",
        "ValueError: no start (starter.py:6)",
    ),
}
TEXTS = {
    **{
        name: (f"{HEAD}{ASKED}        {body}\n", code, text)
        for name, (body, code, text) in MODELS.items()
    },
    **FILES,
}


@pytest.fixture(scope="module")
def checks(tmp_path_factory):
    workspace = lay_out(tmp_path_factory.mktemp("desk"), "baseline", name="desk")
    with imported(workspace) as package:
        yield importlib.import_module(f"{package.__name__}.checks")


@pytest.mark.parametrize("name", TEXTS)
def test_a_model_that_misbehaves_gets_its_code(name, checks, tmp_path, monkeypatch):
    text, code, said = TEXTS[name]
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    monkeypatch.setenv("CRUNCH_DESK_KEY", "1")
    limit_s = 1.0 if code == "TIMEOUT" else 60.0
    limits = {"memory_mb": 1024}
    found = checks.check_model(path, rounds=5, limit_s=limit_s, limits=limits)
    assert [each["code"] for each in found["problems"]] == [code]
    [problem] = found["problems"]
    assert said in problem["text"]
    assert problem["to_do"]


def test_check_ends_with_1_and_what_to_do_and_with_0_for_an_example(checks, tmp_path):
    package = checks.__package__
    main = importlib.import_module(f"{package}.commands").main
    path = tmp_path / "babbler.py"
    path.write_text(TEXTS["babbler"][0])
    bad = CliRunner().invoke(main, ["check", "-n", "3", str(path)])
    assert (bad.exit_code, "INVALID_OUTPUT" in bad.stdout) == (1, True)
    assert "-> compare the answer with schemas/output.schema.json" in bad.stdout
    folder = importlib.import_module(package).__path__[0]
    example = f"{folder}/examples/trend_following_tracker.py"
    good = CliRunner().invoke(main, ["--json", "check", example])
    found = json.loads(good.stdout)
    assert (good.exit_code, found["answers"]) == (0, "100 of 100")
    assert (found["is_repeatable"], found["problems"]) == (True, [])
    assert 0 < found["memory_mb"] < found["memory_limit_mb"]
    assert found["p50_ms"] <= found["p99_ms"]


def test_a_second_process_that_fails_where_the_first_did_not_is_told(checks, tmp_path):
    path, seen = tmp_path / "once.py", tmp_path / "seen"
    start = f"super().__init__(); open({str(seen)!r}, 'x').close()"
    init = f"    def __init__(self):\n        {start}\n"
    path.write_text(f"{HEAD}{init}{ASKED}        return {{'value': 1.0}}\n")
    found = checks.check_model(path, rounds=3)
    [problem] = found["problems"]
    assert problem["code"] == "SETUP_FAILED"
    assert "FileExistsError" in problem["text"]
    assert (found["answers"], found["is_repeatable"]) == ("0 of 0", None)


def test_a_process_that_a_model_has_left_holds_nobody_up(checks, tmp_path):
    """One in a session of its own, which holds the pipe of what the model prints."""
    pid = tmp_path / "pid"
    left = "subprocess.Popen(['sleep', '600'], start_new_session=True).pid"
    body = f"open({str(pid)!r}, 'w').write(str({left})); return {{'value': 1.0}}"
    path = tmp_path / "leaver.py"
    path.write_text(f"import subprocess\n{HEAD}{ASKED}        {body}\n")
    try:
        found = checks.check_model(path, rounds=1, limit_s=60.0)
        assert Path(f"/proc/{pid.read_text()}").exists()  # it ended before that one
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)
    assert [each["code"] for each in found["problems"]] == ["LEFT_PROCESSES"]


def test_a_model_finds_its_other_files_whenever_it_imports_them(checks, tmp_path):
    (tmp_path / "late_helper.py").write_text("def made(closes): return closes[-1]")
    body = "import late_helper; return late_helper.made(self.closes(subject))"
    (tmp_path / "main.py").write_text(f"{HEAD}{ASKED}        {body}\n")
    found = checks.check_model(tmp_path, rounds=3)
    assert (found["problems"], found["answers"]) == ([], "3 of 3")


def test_a_model_finds_the_libraries_of_its_author(checks, tmp_path):
    """Those of `pip install --user`, and of PYTHONPATH; also by a relative name."""
    home, package = tmp_path / "home", importlib.import_module(checks.__package__)
    python = [sys._base_executable, "-c"]
    installed = Path(np.__file__).parent.parent
    names = [str(Path(package.__path__[0]).parent), str(installed), "beside"]
    environment = {"HOME": str(home), "PYTHONPATH": os.pathsep.join(names)}

    def run(code):
        return subprocess.run(
            [*python, code],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    of_user = run("import site; print(site.getusersitepackages(), end='')")
    for folder, name in ((Path(of_user), "of_user"), (tmp_path / "beside", "of_path")):
        folder.mkdir(parents=True)
        (folder / f"{name}.py").write_text("NUMBER = 0.5")
    body = "return {'value': of_user.NUMBER + of_path.NUMBER}"
    text = f"import of_path, of_user\n{HEAD}{ASKED}        {body}\n"
    (tmp_path / "main.py").write_text(text)
    found = run(
        f"import json; from {checks.__name__} import check_model;"
        " print(json.dumps(check_model('main.py', rounds=1, limit_s=60.0)))"
    )
    found = json.loads(found)
    assert (found["problems"], found["last_answer"]) == ([], {"value": 1.0})


ODD_NUMBERS = [
    *(["check", f"--timeout={each}"] for each in ("-1", "0", "nan", "inf", "1e20")),
    *(["check", f"-n={each}"] for each in ("0", "-5", f"{10**12}")),
    ["push", "--timeout=nan"],
    ["witness", "--every=inf", "site"],
    ["witness", "--every=nan", "site"],
]


@pytest.mark.parametrize("arguments", ODD_NUMBERS, ids=" ".join)
def test_a_number_that_nobody_can_wait_for_is_refused_in_a_line(
    arguments, checks, tmp_path
):
    main = importlib.import_module(f"{checks.__package__}.commands").main
    path = tmp_path / "mine.py"
    path.write_text(HEAD + ASKED + "        return {'value': 0.5}\n")
    found = CliRunner().invoke(main, [*arguments, str(path)])
    assert found.exit_code == 2
    assert "Error: " in found.stderr.splitlines()[-1]


def test_a_model_has_no_network_while_it_starts(checks, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = (
            f"super().__init__(); socket.create_connection({server.getsockname()!r})"
        )
        init = f"    def __init__(self):\n        import socket; {asked}\n"
        path = tmp_path / "caller.py"
        path.write_text(f"{HEAD}{init}{ASKED}        return {{'value': 1.0}}\n")
        found = checks.check_model(path, rounds=1)
    codes = [each["code"] for each in found["problems"]]
    is_left = any("leaves the model its network" in note for note in found["notes"])
    assert codes == ([] if is_left else ["SETUP_FAILED"])


def test_a_model_that_always_says_the_same_is_noted(checks, tmp_path):
    path = tmp_path / "constant.py"
    path.write_text(HEAD + ASKED + "        return {'value': 0.5}\n")
    found = checks.check_model(path, rounds=3)
    assert (found["problems"], found["answers"]) == ([], "3 of 3")
    assert "every answer was {'value': 0.5}" in found["notes"]


def test_the_limits_are_the_sites(checks):
    found = checks.LIMITS
    assert found["disk_mb"] == LARGEST_FILE_MB
    assert (found["memory_mb"], found["tasks"]) == (Limits.memory_mb, Limits.tasks)
    process = importlib.import_module(f"{checks.__package__}.model_process")
    assert process.MOST_PRINTED == model_log.LARGEST_BYTES


ANSWERS = [
    *(None, "x", True, 1, 2.5, [1, {"a": None}], {"value": 1.0}, -(2**63)),
    *(float("nan"), float("inf"), 2**63, np.float32(1), np.int64(2), (1.0,), b"x"),
    *({"value": np.float32(1)}, {"value": float("nan")}, {1: {2}}, np.float64(0.5)),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=repr)
def test_what_can_be_sent_is_what_the_sites_wire_sends(checks, answer):
    wire = importlib.import_module(f"{checks.__package__}.model_wire")

    def sent(encode, decode, refusal):
        try:
            return decode(encode(answer))
        except refusal as error:
            return str(error)

    expected = sent(variants.encode, variants.decode_variant, variants.UnsendableError)
    assert sent(wire.sendable, json.loads, wire.UnsendableError) == expected
