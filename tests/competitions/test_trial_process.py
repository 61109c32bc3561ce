"""What a wiring does to the process that loads it first."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from competitions import trial_process
from competitions.errors import ContractError, SlotError
from competitions.trial_process import try_apart
from crunchsite.stack.processes import wait_until

KILLERS = {
    "aborts": ("from os import abort as f", "with SIGABRT"),
    "aborts_later": (
        """import os
def f(prediction, ground_truth):
    if prediction.value > 0: os.abort()
    return {"value": 0.0}""",
        "with SIGABRT",
    ),
    "leaves": ("import os\ndef f(): os._exit(3)", "left the process with 3"),
    "leaves_when_imported": ("import os; os._exit(0)", "left the process"),
    "grows": (
        "def f():\n grown = []\n while True: grown.append(bytes(2**26))\nf()",
        "MemoryError",
    ),
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes modules of the operator's package: `package(name=code)`."""
    folder = tmp_path / "runtime_definitions"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def write(**files):
        for name, code in files.items():
            (folder / f"{name}.py").write_text(code)
        return folder

    return write


def is_at_work(pid):
    with suppress(FileNotFoundError, ProcessLookupError):
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    return False


def schema_of(name):
    return {"REPORT_SCHEMA_PROVIDER": f"runtime_definitions.{name}:f"}


@pytest.mark.parametrize("name", KILLERS)
def test_what_ends_a_process_ends_the_trial_alone(package, name):
    code, said = KILLERS[name]
    package(**{name: code})
    slot = "SCORING_FUNCTION" if "prediction" in code else "REPORT_SCHEMA_PROVIDER"
    with pytest.raises((ContractError, SlotError), match=said):
        try_apart(config_path="", slots={slot: f"runtime_definitions.{name}:f"})


def test_what_never_comes_back_is_told_after_the_deadline(package, monkeypatch):
    monkeypatch.setattr(trial_process, "PATIENCE_S", 5.0)
    package(hangs="def f():\n while True: pass")
    with pytest.raises(ContractError, match="it took longer than 5 s"):
        try_apart(config_path="", slots=schema_of("hangs"))


def test_what_fits_is_accepted_and_what_does_not_is_refused_as_ever(package):
    package(
        fits="from competitions.contract import CrunchConfig\n"
        "CONTRACT = CrunchConfig()\ndef f(): raise ValueError('later')",
        lacks="def f(budget): ...",
    )
    try_apart(config_path="runtime_definitions.fits", slots=schema_of("fits"))
    with pytest.raises(SlotError, match="extra parameter 'budget' needs a default"):
        try_apart(config_path="runtime_definitions.fits", slots=schema_of("lacks"))
    with pytest.raises(ContractError, match="none of CrunchConfig"):
        try_apart(config_path="runtime_definitions.lacks", slots={})


def test_it_sees_no_secret_and_no_database(package, monkeypatch, settings):
    monkeypatch.setenv("SECRET_KEY", "s" * 60)
    monkeypatch.setenv("PYTH_API_KEY", "hidden")
    folder = package(
        looks="import json, os\nfrom pathlib import Path\n"
        "from django.conf import settings\n"
        "def f():\n"
        " seen = [dict(os.environ), settings.SECRET_KEY, settings.ENV.database_url]\n"
        " Path(__file__).with_name('seen').write_text(json.dumps(seen))\n"
    )
    try_apart(config_path="", slots=schema_of("looks"))
    environment, key, database = json.loads((folder / "seen").read_text())
    assert environment.keys() - {"LC_CTYPE", "TZ"} == {  # Python's and Django's
        *("PATH", "LANG", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "OMP_NUM_THREADS"),
        *("DJANGO_SETTINGS_MODULE", "VAR_DIR", "LOCAL_MODELS_DIR"),
        *("CALLABLE_PACKAGES", "WORKSPACES_DIR"),
    }
    assert (key != settings.SECRET_KEY, database) == (True, "")


def test_the_environment_s_callables_are_tried_too(package, settings):
    package(lacks="def f(budget): ...")
    settings.ENV = settings.ENV.model_copy(
        update={"report_schema_provider": "runtime_definitions.lacks:f"}
    )
    with pytest.raises(SlotError, match="budget"):
        try_apart(config_path="", slots={})


def test_the_engine_s_own_wiring_needs_no_trial(monkeypatch):
    monkeypatch.setattr(trial_process, "run_trial", pytest.fail)
    try_apart(
        config_path="competitions.contract",
        slots={"SCORING_FUNCTION": "competitions.defaults:scoring_function"},
    )


def test_nothing_of_a_trial_is_left(package, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = package(
        forks="import os, subprocess\nfrom pathlib import Path\n"
        "def f():\n"
        " child = subprocess.Popen(['sleep', '600'])\n"
        " Path(__file__).with_name('pid').write_text(str(child.pid))\n"
    )
    try_apart(config_path="", slots=schema_of("forks"))
    left = int((folder / "pid").read_text())
    assert wait_until(lambda: not is_at_work(left), timeout_s=60)
    assert not list(tmp_path.glob("crunchsite-trial-*"))
