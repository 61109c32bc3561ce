"""Do a node's logs name a failure of its models?"""

import re
from pathlib import Path

from competitions.local_models import control
from core.texts import one_line, readable
from crunchsite.coordinator.checkup.line import Line, or_ok

# What the model runner and the models' own imports write; a line may have several, of
# which the first says most.
MARKERS = {
    "ModuleNotFoundError": "Add what it imports to its folder.",
    "Import error occurred": "Add what it imports to its folder.",
    "SyntaxError": "Correct its source.",
    "No Inherited class found": "Its class must derive from MODEL_BASE_CLASSNAME.",
    "BAD_IMPLEMENTATION": "Its class must derive from MODEL_BASE_CLASSNAME.",
    "BuilderStatus.FAILURE": "See its build's log.",
}
LARGEST_BYTES = 256 * 2**10
LONGEST_LINE = 200
MOST_LINES = 5  # of one log
_MODEL = re.compile(r"\bmodel=(\S+)")


def check_logs(folder: Path) -> list[Line]:
    """Look for the markers in the newest part of each log.

    Of each model the last line counts, and none of a model that runs by now.
    """
    files = sorted(folder.rglob("*.log")) if folder.is_dir() else []
    if not files:
        return [Line("SKIP", "logs", f"there are no logs in {folder} yet.")]
    models = control.status(folder / "models")
    running = {model.model_id for model in models if model.state == "RUNNING"}
    bad = []
    for file in files:
        name = file.relative_to(folder)
        for text, remedy in _marked(file, running)[-MOST_LINES:]:
            bad.append(Line("FAIL", "log_marker", f"{name}: {text}.", remedy))
    return or_ok(bad, "logs", f"{len(files)} logs name no failure of a model.")


def _marked(file: Path, running: set[str]) -> list[tuple[str, str]]:
    """Return the last marked line of each model that a log names, and the remedy."""
    found: dict[str, tuple[str, str]] = {}
    for line in _newest_lines(file):
        marker = next((marker for marker in MARKERS if marker in line), None)
        if marker is None:
            continue
        named = _MODEL.search(line)
        model = named[1] if named else file.stem
        if model not in running:
            text = one_line(readable(line), limit=LONGEST_LINE)
            found[model] = text, MARKERS[marker]
    return list(found.values())


def _newest_lines(file: Path) -> list[str]:
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - LARGEST_BYTES))
            return log.read(LARGEST_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return []
