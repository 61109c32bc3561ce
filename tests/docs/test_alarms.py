"""The runbook has an entry for each alarm that the code can raise, and no other."""

import ast
import re
import subprocess
from pathlib import Path

from crunchsite.readiness import PROBES

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (ROOT / "docs/operator/alarms.md").read_text()
APPS = ["core", "feeds", "proofs", "competitions", "scoring", "emissions", "livepool"]
LEVELS = {"warning", "error", "exception", "critical"}


def _entries() -> set[str]:
    """Return the events in the first column of the tables."""
    rows = re.findall(r"^\| (`[^|]+) \|", RUNBOOK, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([\w.]+)`", row)}


def _alarms(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        match node.func:
            case ast.Attribute(ast.Name("log"), attr) if attr in LEVELS:
                # `_log_once` is given its event.
                is_handed_on = ast.unparse(node.args[0]) == "event"
                yield from [] if is_handed_on else _texts(node.args[0])
            case ast.Attribute(_, "_log_once"):
                yield from _texts(node.args[0])


def _texts(node: ast.expr) -> list[str]:
    """The event, or both of a conditional expression."""
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body), *_texts(node.orelse)]
    assert isinstance(node, ast.Constant), ast.dump(node)
    return [node.value]


def test_each_alarm_has_an_entry_in_the_runbook_and_no_other_is_there():
    listed = subprocess.run(
        ["git", "ls-files", *(f"{app}/*.py" for app in [*APPS, "crunchsite"])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    # The pool's reader is used alone, by others: it has the log of whoever uses it.
    others = ("livepool/reader/", "templates/", "competitions/packs/")
    files = [f for f in listed if not f.startswith(others)]
    raised = {event for file in files for event in _alarms(ROOT / file)}
    assert len(raised) > 50
    assert _entries() == raised | set(PROBES)
