"""Run one of the site's modules in a separate process that tries an operator's code.

The process has no secret in its environment, no database and no broker, and limited
memory and time: code under trial may end it, or never return.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

LARGEST_MEMORY = 4 * 2**30
LARGEST_ANSWER = 2**20


class Trial(NamedTuple):
    """What the process wrote, and how it ended: empty if well."""

    answer: str
    how_it_ended: str


def run_trial(
    module: str,
    question: object,
    *,
    variables: Mapping[str, str],
    patience_s: float,
    first_paths: Sequence[str] = (),
) -> Trial:
    """Run `python -m MODULE FILE` with the question as JSON on its standard input.

    Returns at most LARGEST_ANSWER bytes of the text that the module wrote to FILE. All
    processes that the code under trial started are ended with it.
    """
    with tempfile.TemporaryDirectory(prefix="crunchsite-trial-") as folder:
        file = Path(folder) / "answer"
        child = subprocess.Popen(
            [sys.executable, "-m", module, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(first_paths, variables),
            cwd=settings.SITE_DIR,
            start_new_session=True,
        )
        how_it_ended = _wait(child, json.dumps(question).encode(), patience_s)
        return Trial(_read(file), how_it_ended)


def limit_memory() -> None:
    """Limit the memory of this process, and let it leave no core dump."""
    resource.setrlimit(resource.RLIMIT_DATA, (LARGEST_MEMORY, LARGEST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _environment(
    first_paths: Sequence[str], variables: Mapping[str, str]
) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join([*first_paths, *filter(None, sys.path)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "DJANGO_SETTINGS_MODULE": "crunchsite.settings.without_secrets",
        **variables,
    }


def _wait(child: "subprocess.Popen[bytes]", question: bytes, patience_s: float) -> str:
    """Wait until it ends or the time is over; return how it ended, empty if well."""
    try:
        child.communicate(question, timeout=patience_s)
    except subprocess.TimeoutExpired:
        return f"it took longer than {patience_s:g} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if child.returncode < 0:
        return f"it ended the process with {signal.Signals(-child.returncode).name}"
    return f"it left the process with {child.returncode}" if child.returncode else ""


def _read(file: Path) -> str:
    try:
        with file.open("rb") as answer:
            return answer.read(LARGEST_ANSWER).decode(errors="replace")
    except OSError:
        return ""
