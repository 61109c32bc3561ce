"""Are the files of a workspace's layout there?"""

import json
import shutil
from pathlib import Path
from typing import Any

from competitions import packs
from competitions.scaffold.answers import parse_answers, read_file, with_pack
from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.gate import undecided
from competitions.scaffold.layouts import files_of
from competitions.scaffold.naming import names_of
from core.errors import OperatorError
from core.texts import counted
from crunchsite.coordinator.checkup.line import Line, or_ok
from crunchsite.settings.workspace import NodeFolder

# What a person may do without.
_SPARE = ("README.md", "SKILL.md", "AGENTS.md", "RUNBOOK.md")


def check_files(node: NodeFolder) -> list[Line]:
    """Return a line for each file of the layout that is missing."""
    root = node.spec_file.parent
    spec: dict[str, Any] = json.loads(node.spec_file.read_text(encoding="utf-8"))
    try:
        expected = files_of(spec["layout"], names_of(node.slug))
    except (ScaffoldError, KeyError):
        return []  # said by the check of the spec
    bad = []
    for path in sorted(expected):
        if (root / path).is_file() or "/examples/" in path:
            continue
        is_spare = Path(path).name in _SPARE
        do = _remedy(root, path)
        bad.append(Line("WARN" if is_spare else "FAIL", "file_missing", path + ".", do))
    if _is_vendored(spec["layout"]) and not (node.node / "runtime").is_dir():
        do = "Make the workspace again; it carries the engine there."
        bad.append(Line("FAIL", "file_missing", f"{node.node.name}/runtime.", do))
    return or_ok(bad, "files", f"all {len(expected)} files of {root} are there.")


def _is_vendored(layout: str) -> bool:
    return layout != "thin"


def _remedy(root: Path, path: str) -> str:
    if path.endswith("/.local.env"):
        return "`doctor --fix` copies .local.env.example."
    return f"`coordinator init --spec {root / 'spec.json'} --output DIR` writes it."


def fix_files(node: NodeFolder) -> list[str]:
    """Make missing folders, and `.local.env` from its example; return what was done."""
    done = []
    for name in ("plugins", "extensions", "runtime_definitions", "config"):
        folder = node.node / name
        if not folder.exists():
            folder.mkdir()
            done.append(f"made {folder}")
    example, own = node.node / ".local.env.example", node.node / ".local.env"
    if example.is_file() and not own.exists():
        shutil.copyfile(example, own)
        own.chmod(0o600)
        done.append(f"made {own} from {example.name}")
    return done


def check_spec(path: Path, *, is_whole: bool = False) -> list[Line]:
    """Return what a spec for `init` says, or what is wrong with it.

    A whole one, as in a workspace, needs no proposals of a pack.
    """
    try:
        answers = parse_answers(read_file(path, is_spec=is_whole))
        if answers.name is not None or is_whole:  # `init NAME` gives it else
            names_of(answers.name or "")
        if not is_whole:
            answers = with_pack(answers, packs.find(answers.pack or packs.DEFAULT))
    except OperatorError as error:
        return [Line("FAIL", "spec_invalid", str(error))]
    if lacking := undecided(answers):
        do = "Decide it, then run `coordinator init`."
        return [Line("FAIL", "spec_undecided", f"{text}.", do) for text in lacking]
    name = answers.name or "(from the command line)"
    said = (
        f"name {name}, crunch_id {answers.crunch_id}, models derive from "
        f"{answers.model_base_classname}, pack {answers.pack}, "
        f"{len(answers.callables)} callables, "
        f"{counted(len(answers.scheduled_prediction_configs or []), 'schedule')}."
    )
    return [Line("OK", "spec", said)]
