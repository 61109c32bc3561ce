"""A workspace is written whole or not at all, and always alike."""

import json
import math
import re
import shlex
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.core.management import load_command_class

from competitions import packs
from competitions.errors import DefinitionError
from competitions.local_models.participant.tracker import BASIS_POINTS, TrackerBase
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
    made = workspace(callables={"SCORING_FUNCTION": "numpy.linalg:norm"})
    assert made.callables["SCORING_FUNCTION"] == "numpy.linalg:norm"


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


def test_each_area_has_a_skill_and_participants_get_one_in_the_wheel(written):
    found = {
        yaml.safe_load(text.split("---")[1])["name"]
        for path, text in texts(written("realtime", "vendored")).items()
        if path.endswith("SKILL.md")
    }
    areas = ("workspace", "node", "challenge", "participant")
    assert found == {f"btc-trader-{area}" for area in areas}


def test_every_readme_says_what_belongs_there_and_what_does_not(written):
    for layout in LAYOUTS:
        for path, text in texts(written("realtime", layout)).items():
            if path.endswith("README.md") and "/" in path:
                assert "belongs here" in text, path
                assert "stays in the shared runtime" in text, path
                assert re.search(r"public|private", text, re.IGNORECASE), path


def test_a_node_loads_the_history_of_a_feed_as_its_skill_says(written):
    node = written("realtime", "vendored") / "crunch-node-btc-trader"
    (line,) = re.findall(r"`(make backfill .*?)`", (node / "SKILL.md").read_text())
    done = subprocess.run(
        [*shlex.split(line), "--dry-run", "--no-print-directory", "--old-file=setup"],
        cwd=node,
        capture_output=True,
        text=True,
        check=True,
    )
    _, _, arguments = done.stdout.partition("runtime/coordinator backfill ")
    command = load_command_class("feeds", "backfill")
    parser = command.create_parser("coordinator", "backfill")
    asked = parser.parse_args(shlex.split(arguments))
    assert (asked.kind, asked.granularity) == ("candle", "1s")
    assert (asked.start, asked.end) == ("2026-03-01", "2026-03-03")


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


WAVES = [100 + 3 * math.sin(i / 5) + i / 20 for i in range(120)]


def example_models(challenge: Path):
    """The models of a package by name, in this process."""
    package = next(challenge.glob("crunch_*"))
    names = {"TrackerBase": TrackerBase, "BASIS_POINTS": BASIS_POINTS}
    for path in sorted((package / "examples").glob("*_tracker.py")):
        source = re.sub(r"from crunch_\w+\.tracker import .*", "", path.read_text())
        found = dict(names)
        exec(source, found)
        (kind,) = (
            value
            for value in found.values()
            if isinstance(value, type) and value.__module__ == "builtins"
        )
        yield path.name, kind


@pytest.mark.parametrize("pack", ["baseline", "realtime", "tournament"])
def test_a_packs_examples_differ_and_need_no_data_to_begin(written, pack):
    candle = dict.fromkeys(("open", "high", "low"), 100.0)
    candles = [
        {"ts": 60 * i, "close": close, "volume": 1.0 + i % 7, **candle}
        for i, close in enumerate(WAVES)
    ]
    answers = {}
    for name, kind in example_models(written(pack, "base") / "challenge"):
        model = kind()
        assert model.predict("BTCUSDT", 300, 60) == {"value": 0.0}, name
        model.feed_update({"symbol": "BTCUSDT", "asof_ts": 0, "candles_1m": candles})
        answers[name] = model.predict("BTCUSDT", 300, 60)["value"]
    assert len(answers) == 3
    assert len(set(answers.values())) == 3
    assert all(math.isfinite(value) and value for value in answers.values())


def test_each_pack_has_examples_and_rules_of_its_own(written):
    examples, words = set(), set()
    for pack in packs.names():
        challenge = written(pack, "base") / "challenge"
        package = next(challenge.glob("crunch_*"))
        examples |= {(path.name) for path in package.rglob("*_tracker.py")}
        rules = (challenge / "RULES.md").read_text()
        words.add(rules.split("\n")[2])
        thin = (written(pack, "thin") / "crunch-btc-trader" / "README.md").read_text()
        assert rules.split("\n", 2)[2].strip() in thin
    assert len(words) == len(packs.names())
    assert len(examples) >= 3 * len(packs.names())


def test_the_rules_say_what_is_asked_and_how_often(written):
    rules = (written("tournament", "base") / "challenge" / "RULES.md").read_text()
    assert (
        "- `in-sample-btc` about BTCUSDT: every 300 s; the truth is known 300 s"
        in rules
    )
    assert "- `out-of-sample-btc` about BTCUSDT: every 900 s;" in rules
    assert "Rounds are scored every 60 s." in rules


@pytest.fixture
def own_pack(tmp_path):
    """A pack in a folder, with templates of its own."""
    folder = tmp_path / "packs" / "hourly"
    for path, text in {
        "pack.json": packs.load("baseline")
        .model_copy(update={"id": "hourly"})
        .model_dump_json(),
        "workspace/challenge/_pack_rules.md": "Once an hour, {{ title }}.\n",
        "workspace/challenge/package/scoring.py": "# TODO {{ package }}\n",
        "workspace/challenge/package/examples/only_tracker.py": "# the only one\n",
        "workspace/node/plugins/prices.csv": "a,b\n",
        "workspace/node/elsewhere/deep.py": "",
        "workspace/node/_part.txt": "",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def of_own_pack(folder, layout="base"):
    answers = parse_answers({"name": "btc-trader", "layout": layout})
    return Workspace(with_pack(answers, packs.find(str(folder))))


def test_a_pack_of_a_folder_brings_templates_of_its_own(
    own_pack, tmp_path, monkeypatch
):
    monkeypatch.setattr(vendor, "copy_engine", lambda target: None)
    found = texts(of_own_pack(own_pack).write(tmp_path))
    package = "challenge/crunch_btc_trader"
    assert found[f"{package}/scoring.py"] == "# TODO crunch_btc_trader\n"
    assert found["node/plugins/prices.csv"] == "a,b\n"
    assert found["challenge/RULES.md"].splitlines()[2] == "Once an hour, Btc trader."
    examples = [path for path in found if path.endswith("_tracker.py")]
    assert examples == [f"{package}/examples/only_tracker.py"]
    assert not [path for path in found if "elsewhere" in path or "_part" in path]


def test_a_thin_workspace_of_such_a_pack_has_only_what_its_layout_has(own_pack):
    tree = of_own_pack(own_pack, "thin").tree()
    assert (
        "btc-trader/crunch_btc_trader/scoring.py".replace(
            "btc-trader", "crunch-btc-trader"
        )
        in tree
    )
    assert "crunch-node-btc-trader/plugins/prices.csv" in tree
    assert not [path for path in tree if "examples" in path]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{% nothing %}", "template challenge/package/scoring.py: Invalid block tag"),
        ("{% include 'x' %}", "template challenge/package/scoring.py: x"),
        (
            "{{ package_module }}",
            "template challenge/package/scoring.py: package_module has no value;",
        ),
    ],
)
def test_a_broken_template_of_a_pack_is_named_and_nothing_is_written(
    own_pack, tmp_path, text, message
):
    (own_pack / "workspace/challenge/package/scoring.py").write_text(text)
    with pytest.raises(ScaffoldError, match=re.escape(message)):
        of_own_pack(own_pack).write(tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_template_that_leads_out_of_its_pack_is_refused(own_pack):
    (own_pack / "workspace/node/plugins/key.txt").symlink_to("/etc/hostname")
    with pytest.raises(ScaffoldError, match="leads out of the pack"):
        of_own_pack(own_pack)


def test_a_workspace_begins_with_the_contract_of_its_pack(
    own_pack, tmp_path, monkeypatch
):
    monkeypatch.setattr(vendor, "copy_engine", lambda target: None)
    pack = json.loads((own_pack / "pack.json").read_text())
    pack["contract"] = "competitions.contract:CrunchContract"
    (own_pack / "pack.json").write_text(json.dumps(pack))
    made = of_own_pack(own_pack)
    assert json.loads(made.spec())["contract"] == pack["contract"]
    contract = texts(made.write(tmp_path))["node/runtime_definitions/contracts.py"]
    assert (
        "from competitions.contract import CrunchContract as PACKS_CONTRACT" in contract
    )


@pytest.mark.parametrize(
    ("layout", "path", "message"),
    [
        ("base", "nowhere.scores:brier", "its module is not installed here"),
        (
            "base",
            "extensions.brier:score",
            "not among the files of this layout and pack",
        ),
        ("base", "crunch_btc_trader.brier:score", "not among the files"),
        ("thin", "runtime_definitions.data:score", "not among the files"),
    ],
)
def test_a_callable_of_a_module_that_nobody_has_is_refused(layout, path, message):
    with pytest.raises(ScaffoldError, match=message) as refused:
        workspace(layout=layout, callables={"SCORING_FUNCTION": path})
    assert str(refused.value).startswith(f"SCORING_FUNCTION was {path!r}")


def test_a_pack_names_the_public_package_by_a_placeholder(own_pack):
    pack = json.loads((own_pack / "pack.json").read_text())
    path = "{package_module}.ranking:rank"
    pack["callables"]["LEADERBOARD_RANKER"] = path
    (own_pack / "pack.json").write_text(json.dumps(pack))
    with pytest.raises(ScaffoldError, match=r"'crunch_btc_trader\.ranking:rank'"):
        of_own_pack(own_pack)
    (own_pack / "workspace/challenge/package/ranking.py").write_text("")
    wired = of_own_pack(own_pack).callables
    assert wired["LEADERBOARD_RANKER"] == "crunch_btc_trader.ranking:rank"
