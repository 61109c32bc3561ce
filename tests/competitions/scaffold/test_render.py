"""A workspace is written whole or not at all, and always alike."""

import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from competitions import packs
from competitions.errors import DefinitionError
from competitions.scaffold import vendor
from competitions.scaffold.answers import parse_answers, read_file, with_pack
from competitions.scaffold.errors import ScaffoldError, WorkspaceExistsError
from competitions.scaffold.layouts import files_of
from competitions.scaffold.naming import names_of
from competitions.scaffold.render import Workspace
from competitions.slots import SLOTS

LAYOUTS = ("vendored", "thin", "base")
COMBINATIONS = [(pack, layout) for pack in packs.names() for layout in LAYOUTS]


def workspace(pack="realtime", layout="thin", **found) -> Workspace:
    answers = parse_answers({"name": "btc-trader", "layout": layout, **found})
    return Workspace(with_pack(answers, packs.load(pack)))


def texts(folder: Path) -> dict[str, str]:
    """All files but the engine's copy."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "runtime" not in path.relative_to(folder).parts
    }


def public_package(folder: Path) -> Path:
    """The folder of the package that participants install."""
    return next(
        path.parent.parent
        for path in folder.rglob("tracker.py")
        if "runtime" not in path.parts
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return a workspace's folder, written once for each pack and layout."""

    @cache
    def write(pack: str, layout: str) -> Path:
        return workspace(pack, layout).write(tmp_path_factory.mktemp(layout))

    return write


@pytest.mark.parametrize(("pack", "layout"), COMBINATIONS)
def test_every_pack_and_layout_is_written_as_its_tree_says(written, pack, layout):
    made, folder = workspace(pack, layout), written(pack, layout)
    assert folder.name == "btc-trader"
    found = set(texts(folder)) - {"process-log.jsonl"}
    assert found == {
        path for path in made.tree() if not path.endswith(("/runtime/", ".jsonl"))
    }
    runtimes = list(folder.rglob("runtime/VERSION.json"))
    assert len(runtimes) == (0 if layout == "thin" else 1)


@pytest.mark.parametrize(("pack", "layout"), COMBINATIONS)
def test_every_file_is_what_its_name_says(written, pack, layout):
    for path, text in texts(written(pack, layout)).items():
        assert "{{" not in text, path
        assert "{%" not in text, path
        match Path(path).suffix:
            case ".py":
                compile(text, path, "exec")
            case ".toml":
                tomllib.loads(text)
            case ".json":
                json.loads(text)
            case ".yml":
                yaml.safe_load(text)


def test_the_thin_tree_is_the_seeds(tmp_path):
    assert set(files_of("thin", names_of("x"))) == {
        "README.md",
        "crunch-node-x/README.md",
        "crunch-node-x/pyproject.toml",
        "crunch-node-x/.local.env.example",
        "crunch-node-x/deployment/README.md",
        "crunch-node-x/deployment/docker-compose.yml",
        "crunch-node-x/config/README.md",
        "crunch-node-x/config/scheduled_prediction_configs.json",
        "crunch-node-x/config/callables.env",
        "crunch-node-x/plugins/README.md",
        "crunch-node-x/extensions/README.md",
        "crunch-x/README.md",
        "crunch-x/pyproject.toml",  # the node installs it as editable
        "crunch-x/crunch_x/tracker.py",
        "crunch-x/crunch_x/inference.py",
        "crunch-x/crunch_x/validation.py",
        "crunch-x/crunch_x/scoring.py",
        "crunch-x/crunch_x/reporting.py",
        "crunch-x/crunch_x/schemas/README.md",
        "crunch-x/crunch_x/plugins/README.md",
        "crunch-x/crunch_x/extensions/README.md",
    }


def test_the_vendored_tree_has_all_that_seed_001_names(tmp_path):
    node, challenge = "crunch-node-x", "crunch-x"
    assert set(files_of("vendored", names_of("x"))) >= {
        *("SKILL.md", f"{challenge}/SKILL.md", f"{challenge}/pyproject.toml"),
        *(f"{challenge}/crunch_x/tracker.py", f"{challenge}/crunch_x/scoring.py"),
        f"{challenge}/crunch_x/examples/mean_reversion_tracker.py",
        *(f"{node}/SKILL.md", f"{node}/RUNBOOK.md", f"{node}/docker-compose.yml"),
        *(f"{node}/Dockerfile", f"{node}/Makefile", f"{node}/.local.env"),
        *(
            f"{node}/runtime_definitions/{name}.py"
            for name in ("data", "inference", "validation", "reporting")
        ),
        f"{node}/config/callables.env",
        f"{node}/config/scheduled_prediction_configs.json",
    }


def test_the_same_answers_give_the_same_bytes(tmp_path):
    first = texts(workspace("baseline", "base").write(tmp_path / "1"))
    second = texts(workspace("baseline", "base").write(tmp_path / "2"))
    logs = [each.pop("process-log.jsonl") for each in (first, second)]
    assert first == second
    assert all(re.search(r'"timestamp":"[^"]+Z"', log) for log in logs)


def test_a_workspaces_spec_makes_the_same_workspace(tmp_path):
    first = workspace("tournament", "vendored", confirmed=True).write(tmp_path / "1")
    again = Workspace(parse_answers(read_file(first / "spec.json", is_spec=True)))
    second = again.write(tmp_path / "2")
    for folder in (first, second):
        (folder / "process-log.jsonl").unlink()
    assert texts(second) == texts(first)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_env_wires_all_ten_slots_in_order(written, layout):
    made = workspace(layout=layout)
    text = (
        written("realtime", layout) / made.node / "config" / "callables.env"
    ).read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert [line.partition("=")[0] for line in lines] == list(SLOTS)
    assert dict(line.split("=") for line in lines) == made.callables
    assert (
        made.callables["SCORING_FUNCTION"]
        == "crunch_btc_trader.scoring:score_prediction"
    )


def test_callables_of_the_answers_replace_those_of_the_workspace():
    made = workspace(callables={"SCORING_FUNCTION": "elsewhere.scores:brier"})
    assert made.callables["SCORING_FUNCTION"] == "elsewhere.scores:brier"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_wired_stub_is_imported_and_has_a_todo(written, layout):
    made, folder = workspace(layout=layout), written("realtime", layout)
    places = [folder / made.node, public_package(folder), settings.BASE_DIR]
    paths = [p for p in made.callables.values() if not p.startswith("competitions.")]
    code = (
        "import importlib, sys, pathlib, os, django\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'crunchsite.settings.test'\n"
        "django.setup()\n"
        f"for path in {paths!r}:\n"
        "    module, _, name = path.partition(':')\n"
        "    found = importlib.import_module(module)\n"
        "    assert callable(getattr(found, name)), path\n"
        "    assert 'TODO' in pathlib.Path(found.__file__).read_text(), path\n"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        env={
            "PYTHONPATH": ":".join(map(str, places)),
            "PATH": "",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_private_is_in_the_public_package(written, layout):
    public = public_package(written("realtime", layout))
    private = re.compile(
        r"runtime_definitions\.|import (competitions|crunchsite|scoring|feeds)\b|"
        r"from (competitions|crunchsite|scoring|feeds)\b|"
        r"DATABASE_URL|SECRET_KEY|PASSWORD|/home/|/root/|CRUNCH_PUBKEY"
    )
    for path, text in texts(public).items():
        if not path.endswith(".md"):
            assert not private.search(text), path


def test_there_are_three_skills_with_names(written):
    found = {
        yaml.safe_load(text.split("---")[1])["name"]
        for path, text in texts(written("realtime", "vendored")).items()
        if path.endswith("SKILL.md")
    }
    assert found == {"btc-trader-workspace", "btc-trader-node", "btc-trader-challenge"}


def test_every_readme_says_what_belongs_there_and_what_does_not(written):
    for layout in LAYOUTS:
        for path, text in texts(written("realtime", layout)).items():
            if path.endswith("README.md") and "/" in path:
                assert "belongs here" in text, path
                assert "stays in the shared runtime" in text, path
                assert re.search(r"public|private", text, re.IGNORECASE), path


def test_a_workspace_that_exists_is_replaced_by_force_alone(tmp_path):
    folder = workspace().write(tmp_path)
    (folder / "mine.txt").write_text("x")
    with pytest.raises(WorkspaceExistsError, match="--force"):
        workspace().write(tmp_path)
    assert (folder / "mine.txt").exists()
    workspace().write(tmp_path, is_forced=True)
    assert not (folder / "mine.txt").exists()


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_force_replaces_nothing_but_a_workspace(tmp_path, kind):
    place, home = tmp_path / "btc-trader", tmp_path / "home"
    (home / "precious").mkdir(parents=True)
    (home / "spec.json").write_text("{}")
    match kind:
        case "folder":
            (place / "precious").mkdir(parents=True)
        case "file":
            place.write_text("x")
        case "link":
            place.symlink_to(home)
    with pytest.raises(WorkspaceExistsError, match="is no workspace"):
        workspace().write(tmp_path, is_forced=True)
    assert place.exists()
    assert (home / "precious").exists()


def test_an_incomplete_definition_writes_nothing(tmp_path):
    with pytest.raises(DefinitionError, match="Scoring function: callables"):
        workspace(callables={"SCORING_FUNCTION": None})


def test_a_failure_in_the_middle_leaves_nothing_behind(tmp_path, monkeypatch):
    def no_disk(target):
        (target / "half").mkdir(parents=True)
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(vendor, "copy_engine", no_disk)
    with pytest.raises(ScaffoldError, match="No space left"):
        workspace(layout="vendored").write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_workspace_that_it_would_have_replaced(
    tmp_path, monkeypatch
):
    folder = workspace(layout="vendored").write(tmp_path)
    before = texts(folder)

    def interrupted(target):
        raise KeyboardInterrupt

    monkeypatch.setattr(vendor, "copy_engine", interrupted)
    with pytest.raises(KeyboardInterrupt):
        workspace(layout="vendored").write(tmp_path, is_forced=True)
    assert texts(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["btc-trader"]


def test_the_engines_copy_is_named_by_the_digest_of_every_file(written):
    node = workspace(layout="vendored").node
    runtime = written("realtime", "vendored") / node / "runtime"
    document = json.loads((runtime / "VERSION.json").read_text())
    assert document["files"] == dict(vendor.digests_of(runtime))
    assert "competitions/lifecycle.py" in document["files"]
    assert not [path for path in document["files"] if "__pycache__" in path]
