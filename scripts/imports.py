"""Draw the imports between the rooms as they are, into docs/architecture.md.

    .venv/bin/python -m scripts.imports [--check]

An arrow leads from the room that imports to the one that is imported; of two paths to
a room the shorter is left out when the longer says as much. `--check` changes nothing
and ends with 1 when the picture is not what the code says.
"""

import re
import sys
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
APPS: list[str] = SETTINGS["tool"]["importlinter"]["root_packages"]
BEGIN, END = "<!-- imports: made by scripts/imports.py -->", "<!-- /imports -->"


def arrows() -> dict[str, set[str]]:
    """Return for each app the apps that it imports, by any of its modules."""
    graph = grimp.build_graph(*APPS, cache_dir=None)
    found: dict[str, set[str]] = {app: set() for app in APPS}
    for module in graph.modules:
        app = module.partition(".")[0]
        for imported in graph.find_modules_directly_imported_by(module):
            found[app].add(imported.partition(".")[0])
    return {app: others - {app} for app, others in found.items()}


def drawn(direct: dict[str, set[str]]) -> str:
    """Return the picture as a Mermaid flowchart, without arrows that others imply."""
    lines = [BEGIN, "```mermaid", "flowchart BT"]
    for app in APPS:
        implied = {far for near in direct[app] for far in _reached(direct, near)}
        lines += [f"    {app} --> {other}" for other in sorted(direct[app] - implied)]
    return "\n".join([*lines, "```", END])


def _reached(direct: dict[str, set[str]], app: str) -> set[str]:
    return direct[app].union(*(_reached(direct, other) for other in direct[app]))


def main(arguments: list[str]) -> int:
    """Write the picture, or with --check compare it."""
    text = PAGE.read_text()
    fresh = re.sub(f"{BEGIN}.*?{END}", lambda _: drawn(arrows()), text, flags=re.DOTALL)
    if arguments == ["--check"]:
        return int(fresh != text)
    PAGE.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
