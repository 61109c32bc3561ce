"""Do a node's callables import, fit their slots, and return on made-up values?

They are tried in a process of their own (`callables_child.py`), which has no secret, no
server, limited memory and limited time.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.installed import read_schedule
from competitions.slots import SLOTS
from crunchsite.coordinator.checkup.line import Line
from crunchsite.coordinator.checkup.node_variables import place_of
from crunchsite.settings.env import Env
from crunchsite.settings.workspace import NodeFolder

PATIENCE_S = 60.0
LARGEST_ANSWER = 2**20
_SERVICES = (
    "predict_service_factory",
    "score_service_factory",
    "report_app_factory",
)
_CHILD = "crunchsite.coordinator.checkup.callables_child"


def check_callables(node: NodeFolder, env: Env) -> list[Line]:
    """Return what the child found; a child that dies or hangs is a FAIL."""
    with tempfile.TemporaryDirectory(prefix="crunchsite-doctor-") as folder:
        file = Path(folder) / "lines"
        how_it_ended = _run(file, node, env)
        try:
            lines = [Line(**row) for row in json.loads(_read(file))]
        except (ValueError, TypeError):
            lines = []
    if how_it_ended or not lines:
        found = f"the callables were tried in a process: {how_it_ended or 'it left'}."
        do = "Importing or calling them must not end the process, nor wait."
        lines.append(Line("FAIL", "callable_failed", found, do))
    return lines


def _read(file: Path) -> str:
    try:
        with file.open("rb") as answer:
            return answer.read(LARGEST_ANSWER).decode(errors="replace")
    except OSError:
        return ""


def _run(file: Path, node: NodeFolder, env: Env) -> str:
    """Run the child; return how it ended, empty if well."""
    child = subprocess.Popen(
        [sys.executable, "-m", _CHILD, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(node, env),
        cwd=settings.SITE_DIR,
        start_new_session=True,
    )
    try:
        child.communicate(json.dumps(_question(node, env)).encode(), PATIENCE_S)
    except subprocess.TimeoutExpired:
        return f"it took longer than {PATIENCE_S:g} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # and processes that it has started
        child.wait()
    if child.returncode < 0:
        return f"it ended with {signal.Signals(-child.returncode).name}"
    return f"it left with {child.returncode}" if child.returncode else ""


def _question(node: NodeFolder, env: Env) -> dict[str, object]:
    try:
        schedule = read_schedule(node.schedule_file)
    except ScaffoldError:  # said by the check of the schedule
        schedule = []
    first = schedule[0].model_dump() if schedule else {}
    return {
        "scope_key": first.get("scope_key", "doctor"),
        "scope_template": first.get("scope_template", {}),
        **first.get("schedule", {}),
        "places": {slot: place_of(node, slot) for slot in SLOTS},
        "kind": env.feed_kind,
        "granularity": env.feed_granularity,
    }


def _environment(node: NodeFolder, env: Env) -> dict[str, str]:
    names = ["crunch_config_module", *_SERVICES, *(slot.lower() for slot in SLOTS)]
    places = [str(node.node), str(node.challenge), *(path for path in sys.path if path)]
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(places),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "DJANGO_SETTINGS_MODULE": "crunchsite.settings.without_secrets",
        "WORKSPACE": str(node.node),
        "CALLABLE_PACKAGES": env.callable_packages,
        **{name.upper(): value for name in names if (value := getattr(env, name))},
    }
