"""A node's engine is replaced as a whole, and edits in it are kept or named."""

import json
import sys

import pytest

from competitions import packs
from competitions.scaffold import vendor
from competitions.scaffold.answers import parse_answers, read_file, with_pack
from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.render import Workspace
from competitions.scaffold.upgrading import (
    Step,
    UpgradeConflictError,
    compare,
    prepared,
)
from crunchsite.coordinator import cli, upgrade
from crunchsite.settings.workspace import read_workspace

TRACKER = "competitions/local_models/participant/tracker.py"
PACKAGE = "crunch-hot-days/crunch_hot_days"
SHARED = f"{PACKAGE}/tracker.py"
NOW_SHARED = {SHARED: "t2", f"{PACKAGE}/_engine/new.py": "n"}


@pytest.mark.parametrize(
    ("before", "mine", "after", "action"),
    [
        ("a", "a", "a", None),
        ("a", "a", "b", "replace"),
        ("a", "a", None, "remove"),
        (None, None, "b", "add"),
        ("a", "x", "a", "keep"),
        ("a", None, "a", "keep"),
        (None, "x", None, "keep"),
        ("a", "x", "b", "conflict"),
        ("a", "x", None, "conflict"),
        ("a", None, "b", "conflict"),
        (None, "x", "b", "conflict"),
        ("a", "b", "b", None),
        ("a", None, None, None),
        (None, "b", "b", None),
    ],
)
def test_three_digests_say_what_becomes_of_a_file(before, mine, after, action):
    sides = [{"f": digest} if digest else {} for digest in (before, mine, after)]
    assert list(compare(*sides)) == ([Step(action, "f")] if action else [])


def write(folder, files):
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture
def engine(tmp_path, settings, monkeypatch):
    """A small engine in the place of this one; returns its folder."""
    settings.BASE_DIR = tmp_path / "engine"
    monkeypatch.setattr(vendor, "PACKAGES", ("core", "competitions", "requirements"))
    monkeypatch.setattr(vendor, "FILES", ("manage.py",))
    monkeypatch.setattr(vendor, "engine_version", lambda: "1.0")
    old = {"core/a.py": "a", "core/b.py": "b", "core/gone.py": "g", "manage.py": "m"}
    write(settings.BASE_DIR, {**old, TRACKER: "t", "requirements/base.txt": "r"})
    return settings.BASE_DIR


@pytest.fixture
def node(engine, tmp_path, monkeypatch):
    """A node that carries the engine as it was; the engine has changed since."""
    root = tmp_path / "hot-days"
    spec = {"name": "hot-days", "layout": "vendored", "pack": "baseline"}
    write(root, {"spec.json": json.dumps(spec), "process-log.jsonl": ""})
    write(root / PACKAGE, {"tracker.py": "t", "mine.py": "x", "_engine/old.py": "o"})
    vendor.copy_engine(root / "crunch-node-hot-days" / "runtime")
    shared = vendor.shared_digests({SHARED: "t", f"{PACKAGE}/_engine/old.py": "o"})
    write(root / "crunch-node-hot-days/runtime", {"SHARED.json": shared})
    write(root / "crunch-node-hot-days", {"config/callables.env": "", "var/data": "d"})
    write(root / "crunch-node-hot-days/runtime/.venv", {".run": "", "bin/python": "p"})
    monkeypatch.setattr(vendor, "engine_version", lambda: "2.0")
    write(engine, {"core/a.py": "a2", "core/new.py": "n", TRACKER: "t2"})
    (engine / "core/gone.py").unlink()
    return read_workspace(str(root))


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def upgraded(node, **options):
    with prepared(node.node, NOW_SHARED) as found:
        found.apply(**options)
    return found.plan


def test_the_engine_and_the_shared_parts_are_replaced_and_nothing_else(node, engine):
    before = tree(node.node.parent)
    plan = upgraded(node)
    assert [str(step) for step in plan.steps] == [
        f"replace   {TRACKER}",
        "replace   core/a.py",
        "remove    core/gone.py",
        "add       core/new.py",
        f"add       {PACKAGE}/_engine/new.py",
        f"remove    {PACKAGE}/_engine/old.py",
        f"replace   {SHARED}",
    ]
    assert not (node.challenge / node.package / "_engine/old.py").exists()
    runtime = node.node / "runtime"
    for path in tree(engine):
        assert (runtime / path).read_bytes() == (engine / path).read_bytes()
    assert not (runtime / "core/gone.py").exists()
    after = tree(node.node.parent)
    changed = {
        path for path in before.keys() & after.keys() if before[path] != after[path]
    }
    inner = "crunch-node-hot-days/runtime"
    assert changed == {
        f"{inner}/core/a.py",
        f"{inner}/{TRACKER}",
        f"{inner}/VERSION.json",
        f"{inner}/SHARED.json",
        SHARED,
    }
    assert f"{inner}/.venv/.run" in after
    assert json.loads((runtime / "VERSION.json").read_text())["version"] == "2.0"
    assert upgraded(node).steps == []


def test_other_requirements_are_installed_at_the_next_start(node, engine):
    write(engine, {"requirements/base.txt": "r2"})
    upgraded(node)
    assert not (node.node / "runtime/.venv/.run").exists()
    assert (node.node / "runtime/.venv/bin/python").exists()


def test_an_edit_stays_where_the_engine_has_not_changed(node):
    write(node.node / "runtime", {"core/b.py": "mine", "core/own.py": "own"})
    (node.node / "runtime/manage.py").unlink()
    for _ in range(2):  # and is an edit the next time, too
        plan = upgraded(node)
        kept = [step.path for step in plan.steps if step.action == "keep"]
        assert kept == ["core/b.py", "core/own.py", "manage.py"]
        assert (node.node / "runtime/core/b.py").read_text() == "mine"
        assert (node.node / "runtime/core/own.py").read_text() == "own"
        assert not (node.node / "runtime/manage.py").exists()


def test_a_conflict_is_named_and_changes_nothing(node):
    write(node.node / "runtime", {"core/a.py": "mine"})
    write(node.challenge / node.package, {"tracker.py": "mine"})
    before = tree(node.node.parent)
    with pytest.raises(UpgradeConflictError) as refusal:
        upgraded(node)
    assert f"core/a.py, {SHARED}. Nothing" in str(refusal.value)
    assert tree(node.node.parent) == before
    upgraded(node, is_replacing=True)
    edits = node.node / "runtime-edits" / "1.0"
    assert (node.node / "runtime/core/a.py").read_text() == "a2"
    assert (edits / "core/a.py").read_text() == "mine"
    assert (edits / SHARED).read_text() == "mine"
    assert (node.challenge / node.package / "tracker.py").read_text() == "t2"


def test_a_disk_that_refuses_leaves_the_old_engine(node, monkeypatch):
    before = tree(node.node.parent)

    def refuse(self, target):
        if self.name == ".venv":
            raise OSError(28, "No space left on device", str(self))
        return rename(self, target)

    rename = type(node.node).rename
    monkeypatch.setattr(type(node.node), "rename", refuse)
    with pytest.raises(ScaffoldError, match="No space left"):
        upgraded(node)
    assert tree(node.node.parent) == before


def test_a_node_without_an_engine_is_refused(node):
    (node.node / "runtime/VERSION.json").write_text("{")
    with pytest.raises(ScaffoldError, match="by installing a newer package"):
        upgraded(node)


def test_the_command_shows_then_does_and_logs(node, capsys, monkeypatch):
    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main(["upgrade", str(node.node), *arguments])
        return left.value.code or 0

    now_shared = type("Rendered", (), {"shared": lambda self: NOW_SHARED})
    monkeypatch.setattr(upgrade, "Workspace", lambda answers: now_shared())
    monkeypatch.setattr(upgrade, "read_file", lambda path, *, is_spec: {})
    before = tree(node.node.parent)
    assert run("--dry-run") == 0
    found = capsys.readouterr()
    assert "replace   core/a.py\n" in found.out
    assert found.err == "1.0 -> 2.0: 2 add, 2 remove, 3 replace\n"
    assert tree(node.node.parent) == before
    write(node.node / "runtime", {"core/a.py": "mine"})
    assert run("--dry-run") == 5
    assert run() == 5
    monkeypatch.setattr(upgrade, "is_running", lambda var: True)
    assert run("--replace") == 5
    monkeypatch.setattr(upgrade, "is_running", lambda var: False)
    assert run("--replace") == 0
    row = json.loads((node.node.parent / "process-log.jsonl").read_text())
    assert (row["before"], row["after"]) == ("1.0", "2.0")


def test_the_nodes_own_engine_is_refused(node, settings):
    settings.BASE_DIR = node.node / "runtime"
    with pytest.raises(ScaffoldError, match="the newer one: /path/to/it/coordinator"):
        upgrade._refuse_own(node)


def test_a_node_of_before_is_asked_about_shared_parts_that_differ(node):
    (node.node / "runtime/SHARED.json").unlink()
    with pytest.raises(UpgradeConflictError, match=f"changed in the engine: {SHARED}"):
        upgraded(node)


def test_a_new_workspace_has_nothing_to_upgrade(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(vendor, "PACKAGES", ("core", "requirements"))
    answers = parse_answers({"name": "hot-days", "layout": "base"})
    made = Workspace(with_pack(answers, packs.load("realtime")))
    root = made.write(tmp_path)
    again = Workspace(parse_answers(read_file(root / "spec.json", is_spec=True)))
    with prepared(root / "node", again.shared()) as found:
        assert found.plan.steps == []
        assert any("/_engine/" in path for path in found.shared)
        assert "challenge/crunch_hot_days/tracker.py" in found.shared
    (root / "challenge/crunch_hot_days/backtest.py").write_text("mine")
    with prepared(root / "node", again.shared()) as found:
        kept = "challenge/crunch_hot_days/backtest.py"
        assert found.plan.steps == [Step("keep", kept)]
    contracts = root / "node/runtime_definitions/contracts.py"
    text = contracts.read_text()
    monkeypatch.setattr(sys, "path", [*sys.path])
    place = read_workspace(str(root))
    rules_file = root / "challenge/crunch_hot_days/rules.json"
    written = rules_file.read_text()
    upgrade._refresh_rules(place, again.answers)
    assert (rules_file.read_text(), capsys.readouterr().err) == (written, "")
    contracts.write_text(f"{text}\nCONTRACT.metrics = ['ic']\n")
    upgrade._refresh_rules(place, again.answers)
    assert json.loads(rules_file.read_text())["metrics"] == ["ic"]
    (root / "node/.local.env").write_text(
        "FEED_SOURCE=binance\nFEED_CANDLES_WINDOW=7\n"
    )
    monkeypatch.delenv("FEED_SOURCE", raising=False)
    upgrade._refresh_rules(place, again.answers)
    rules = json.loads(rules_file.read_text())
    assert (rules["feed"]["source"], rules["window"]) == ("binance", 7)
    contracts.write_text("import nowhere_at_all")
    upgrade._refresh_rules(place, again.answers)
    said = capsys.readouterr().err
    assert said.startswith("The public package has new rules: metrics\n")
    assert "The public package keeps its rules: No module named" in said
