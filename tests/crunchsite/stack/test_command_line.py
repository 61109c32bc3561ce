"""What a person at the terminal reads, in processes as they start them."""

import os
import subprocess
import sys

import pytest

from crunchsite.settings.env import BASE_DIR
from tests.warm import manage


def test_alone_it_lists_the_projects_own_commands_with_a_line_each():
    listed = manage("help")
    lines = listed.stdout.splitlines()
    names = [line.split()[0] for line in lines if line.startswith("  ")]
    assert "up" in names
    assert "check_model" in names
    assert names == sorted(names)
    assert not {"collectstatic", "axes_reset", "spectacular"} & set(names)
    assert "collectstatic" in manage("help", "--commands").stdout


def test_every_refusal_of_a_command_is_one_line_that_begins_with_error():
    refused = manage("check_model", "/nowhere")
    assert refused.returncode == 1
    assert refused.stderr == "Error: model was /nowhere, which has no main.py.\n"


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        (["nonsense"], 1, "there is no command 'nonsense'; `help` lists them."),
        (["backfil"], 1, "do you mean backfill? `help` lists them."),
        (["check_model"], 2, "required: path; `check_model --help` explains"),
        (["local_models", "add"], 2, "`local_models add --help` explains"),
        (["build_live_pool", "--as-of", "2026-13-01"], 2, "a day like 2026-10-31"),
        (["up", "--fast"], 2, "unrecognized arguments: --fast"),
    ],
)
def test_a_command_that_is_misspelt_is_refused_in_one_line(given, status, said):
    refused = manage(*given)
    assert refused.returncode == status
    assert refused.stderr.startswith("Error: ")
    assert refused.stderr.count("\n") == 1
    assert said in refused.stderr


INTERRUPTED_AT = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == sys.argv[-1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
sys.argv[:] = ["manage.py", "up", sys.argv[-1]]
runpy.run_path("manage.py", run_name="__main__")
"""


@pytest.mark.parametrize(
    "module",
    ["crunchsite", "celery", "django.db", "crunchsite.settings.base", "polars"],
)
def test_ctrl_c_while_all_is_imported_prints_one_line(module, tmp_path):
    process = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT, module],
        cwd=BASE_DIR,
        env={**os.environ, "VAR_DIR": str(tmp_path / "var")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert process.returncode == 130
    assert process.stderr == "Stopped before anything was started.\n"
