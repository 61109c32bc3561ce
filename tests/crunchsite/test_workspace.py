"""A site that runs a workspace's node: its environment, its modules, its models."""

import json
import subprocess
import sys

import pytest

from competitions import packs
from competitions.scaffold.answers import parse_answers, with_pack
from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.installed import pack_of, read_schedule
from competitions.scaffold.render import Workspace
from competitions.slots import SLOTS, default_path
from crunchsite.settings.workspace import WorkspaceError, read_workspace


@pytest.fixture(params=["thin", "base"])
def workspace(request, tmp_path, monkeypatch):
    monkeypatch.setattr("competitions.scaffold.vendor.copy_engine", lambda target: None)
    answers = parse_answers({"name": "hot-days", "layout": request.param})
    return Workspace(with_pack(answers, packs.load("realtime"))).write(tmp_path)


def test_the_node_is_found_by_its_folder_and_by_the_workspaces(workspace):
    found = read_workspace(str(workspace))
    assert read_workspace(str(found.node)) == found
    assert (found.slug, found.package) == ("hot-days", "crunch_hot_days")
    assert (found.title, found.pack) == ("Hot days", "realtime")
    assert (found.challenge / found.package / "scoring.py").is_file()
    assert found.schedule_file.is_file()


def test_without_a_name_there_is_none():
    assert read_workspace("") is None


@pytest.mark.parametrize("spec", [None, "", "[]", '{"name": 1}', "{}"])
def test_a_folder_that_is_no_node_is_refused_by_name(tmp_path, spec):
    if spec is not None:
        (tmp_path / "spec.json").write_text(spec)
    with pytest.raises(WorkspaceError, match=r"spec\.json cannot be used"):
        read_workspace(str(tmp_path / "node"))


def test_a_workspace_without_its_node_is_refused_by_name(tmp_path):
    spec = {"name": "x", "layout": "base", "pack": "baseline"}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    with pytest.raises(WorkspaceError, match="node is no folder"):
        read_workspace(str(tmp_path))


def test_the_pack_of_a_workspace_leaves_the_slots_to_the_environment(workspace):
    found = read_workspace(str(workspace))
    pack = pack_of(found.spec_file, found.schedule_file)
    assert pack.id == "realtime"
    assert pack.checkpoint_interval_seconds == 15
    assert pack.callables == {slot: default_path(slot) for slot in SLOTS}
    assert [c.scope_key for c in pack.scheduled_prediction_configs] == ["realtime-btc"]


@pytest.mark.parametrize("text", ["", "{", "{}", "[{}]", "[1]"])
def test_a_schedule_that_cannot_be_used_is_refused_by_its_file(tmp_path, text):
    path = tmp_path / "schedule.json"
    path.write_text(text)
    with pytest.raises(ScaffoldError, match=r"schedule\.json"):
        read_schedule(path)


def test_an_example_becomes_a_submission(workspace):
    found = read_workspace(str(workspace))
    models = found.example_models()
    if not found.examples.exists():  # the thin layout has none
        assert models == {}
        return
    assert set(models) == {"last_move", "snap_back", "volume_weighted"}
    for text in models.values():
        assert "from tracker import BASIS_POINTS, TrackerBase\n" in text
        assert "crunch_hot_days" not in text


def test_the_site_reads_the_nodes_environment_and_imports_its_modules(workspace):
    found = read_workspace(str(workspace))
    (found.node / ".local.env").write_text("PORT=8124\nCRUNCH_PUBKEY=mine\n")
    code = (
        "import json, os, django; django.setup()\n"
        "from django.conf import settings\n"
        "from competitions.slots import wire\n"
        "from competitions.config_loader import load_config\n"
        "paths = wire(load_config(), {}).paths\n"
        "print(json.dumps([settings.ENV.port, settings.ENV.crunch_pubkey,\n"
        "    settings.ENV.local_models_competition, str(settings.VAR_DIR),\n"
        "    paths['SCORING_FUNCTION'], paths['INFERENCE_INPUT_BUILDER']]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={
            "DJANGO_SETTINGS_MODULE": "crunchsite.settings.dev",
            "WORKSPACE": str(found.node),
            "CRUNCH_PUBKEY": "the process's",
            "PYTHONPATH": ".",
            "PATH": "",
        },
    )
    own = "runtime_definitions" if found.node.name == "node" else found.package
    assert json.loads(done.stdout) == [
        8124,
        "the process's",
        "hot-days",
        str(found.node / "var"),
        "crunch_hot_days.scoring:score_prediction",
        f"{own}.inference:build_input",
    ]
