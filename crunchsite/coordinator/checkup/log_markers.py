"""Do a node's logs name a failure of its models?"""

from pathlib import Path

from core.texts import one_line, readable
from crunchsite.coordinator.checkup.line import Line, or_ok

# What the model runner and the models' own imports write.
MARKERS = {
    "BAD_IMPLEMENTATION": "Its class must derive from MODEL_BASE_CLASSNAME.",
    "No Inherited class found": "Its class must derive from MODEL_BASE_CLASSNAME.",
    "Import error occurred": "Add what it imports to its folder.",
    "ModuleNotFoundError": "Add what it imports to its folder.",
    "SyntaxError": "Correct its source.",
    "BuilderStatus.FAILURE": "See its build's log.",
}
LARGEST_BYTES = 256 * 2**10
LONGEST_LINE = 200


def check_logs(folder: Path) -> list[Line]:
    """Look for the markers in the newest part of each log; the last line counts."""
    files = sorted(folder.rglob("*.log")) if folder.is_dir() else []
    if not files:
        return [Line("SKIP", "logs", f"there are no logs in {folder} yet.")]
    bad = []
    for file in files:
        for marker, remedy in MARKERS.items():
            if line := _last_with(marker, file):
                name = file.relative_to(folder)
                bad.append(Line("FAIL", "log_marker", f"{name}: {line}.", remedy))
    return or_ok(bad, "logs", f"{len(files)} logs name no failure of a model.")


def _last_with(marker: str, file: Path) -> str:
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - LARGEST_BYTES))
            text = log.read(LARGEST_BYTES).decode(errors="replace")
    except OSError:
        return ""
    found = [line for line in text.splitlines() if marker in line]
    return one_line(readable(found[-1]), limit=LONGEST_LINE) if found else ""
