"""`coordinator doctor`: one line a check, and what each kind of fault is called."""

import json
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest

from competitions import packs
from competitions.contract import CrunchConfig
from competitions.local_models.control import write_status
from competitions.scaffold.answers import parse_answers, with_pack
from competitions.scaffold.installed import pack_of
from competitions.scaffold.render import Workspace
from crunchsite.coordinator.checkup.callables_trial import check_callables
from crunchsite.coordinator.checkup.layout_files import check_files, check_spec
from crunchsite.coordinator.checkup.log_markers import MARKERS, check_logs
from crunchsite.coordinator.checkup.node_variables import place_of, read_node
from crunchsite.coordinator.checkup.schedule_fit import check_schedule
from crunchsite.coordinator.checkup.site_answers import check_site
from crunchsite.coordinator.doctor import examine, workspace_here
from crunchsite.coordinator.site_api import Site, SiteError
from crunchsite.settings.workspace import WorkspaceError
from feeds.providers import sources
from feeds.providers.base import FetchRequest
from tests.competitions.local_models.conftest import ROW
from tests.conftest import NOW


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    answers = parse_answers({"name": "hot-days", "layout": "thin"})
    workspace = Workspace(with_pack(answers, packs.load("realtime")))
    return workspace.write(tmp_path_factory.mktemp("made"))


@pytest.fixture
def node(made, tmp_path):
    shutil.copytree(made, tmp_path / "hot-days")
    return workspace_here(tmp_path / "hot-days")


def codes(lines, *levels):
    return [line.code for line in lines if line.level in (levels or {"WARN", "FAIL"})]


def set_slot(node, slot, path):
    file = node.node / "config" / "callables.env"
    lines = [row for row in file.read_text().splitlines() if not row.startswith(slot)]
    file.write_text("\n".join([*lines, f"{slot}={path}"] if path else lines))


def schedule_of(node, *changes):
    (first,) = json.loads(node.schedule_file.read_text())
    rows = [{**first, **change} for change in changes]
    node.schedule_file.write_text(json.dumps(rows))
    env, _ = read_node(node)
    return check_schedule(node, env)


def timed(interval, horizon):
    return {
        "schedule": {
            "prediction_interval_seconds": interval,
            "resolve_horizon_seconds": horizon,
        }
    }


def test_a_new_workspace_is_well_from_any_folder_in_it(
    node, coordinator, capsys, monkeypatch
):
    monkeypatch.chdir(node.challenge)
    assert coordinator("doctor", "--offline") == 0
    found = capsys.readouterr()
    lines = found.out.splitlines()
    assert {line.split()[0] for line in lines} == {"OK", "SKIP"}
    assert lines[-1].split() == [
        *("SKIP", "site", "it", "was", "not", "asked,", "because", "of", "--offline.")
    ]
    assert found.err == "0 FAIL, 0 WARN\n"


def test_no_workspace_is_wrong_usage(tmp_path, coordinator, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert coordinator("doctor") == 2
    assert "nor a folder above it is a workspace" in capsys.readouterr().err
    with pytest.raises(WorkspaceError):
        workspace_here(tmp_path)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"layout": "fat"}, "spec_invalid"),
        ({"pack": 7}, "spec_invalid"),
        ({"checkpont": 1}, "spec_invalid"),
        ({"model_base_classname": None}, "spec_undecided"),
        ({"pack": "one-of-a-folder"}, "spec"),
    ],
)
def test_a_workspaces_own_spec_is_checked(node, change, code):
    spec = json.loads(node.spec_file.read_text())
    node.spec_file.write_text(json.dumps(spec | change))
    assert next(examine(node, url=None, is_offline=True)).code == code


def test_missing_files_are_named_and_the_safe_ones_made(node, coordinator, capsys):
    (node.node / "config" / "callables.env").unlink()
    (node.node / "README.md").unlink()
    shutil.rmtree(node.node / "plugins")
    assert codes(check_files(node)) == ["file_missing"] * 3
    assert codes(check_files(node), "FAIL") == ["file_missing"]
    arguments = ("doctor", "--workspace", node.node, "--offline", "--json", "--fix")
    assert coordinator(*arguments) == 1
    lines = json.loads(capsys.readouterr().out)
    failed = [line for line in lines if line["level"] == "FAIL"]
    assert failed[0]["found"] == "crunch-node-hot-days/config/callables.env."
    assert {line["code"] for line in failed} == {"file_missing", "slot_not_set"}
    assert (node.node / "plugins").is_dir()
    example = (node.node / ".local.env.example").read_text()
    assert (node.node / ".local.env").read_text() == example


def test_variables_that_are_not_read_are_named_with_the_near_one(node):
    (node.node / ".local.env").write_text("FEED_GRANULARTY=1s\nMINE=1\nPORT=8001\n")
    env, lines = read_node(node)
    assert env.port == 8001
    assert [(line.found, line.do) for line in lines] == [
        ("FEED_GRANULARTY is not read:", "do you mean FEED_GRANULARITY?"),
        ("MINE is not read:", "remove it, unless your own code reads it."),
    ]


def test_a_value_that_cannot_be_used_is_named(node):
    (node.node / ".local.env").write_text("PORT=http\n")
    env, (line,) = read_node(node)
    assert (env, line.level, line.code) == (None, "FAIL", "environment_invalid")
    assert "PORT was 'http': give a whole number" in line.found


def test_a_slot_that_is_not_set_is_named(node):
    set_slot(node, "SCORING_FUNCTION", "")
    _, (line,) = read_node(node)
    assert (line.level, line.code) == ("FAIL", "slot_not_set")
    assert line.found.startswith("SCORING_FUNCTION is not set in ")


def test_what_is_set_to_no_effect_is_named(node):
    slot = "SCORING_FUNCTION"
    (node.node / ".local.env").write_text(f"{slot}=extensions.mine:score\nPORT=1\n")
    _, (line,) = read_node(node)
    assert (line.level, line.code) == ("WARN", "variable_overridden")
    assert line.found == (
        f"{slot} is extensions.mine:score in .local.env, but callables.env says "
        "crunch_hot_days.scoring:score_prediction, which counts."
    )


def test_the_place_that_a_callable_was_set_at_is_named(node, monkeypatch):
    monkeypatch.delenv("SCORING_FUNCTION", raising=False)
    assert place_of(node, "SCORING_FUNCTION") == "config/callables.env"
    set_slot(node, "SCORING_FUNCTION", "")
    (node.node / ".local.env").write_text("SCORING_FUNCTION=a:b\n")
    assert place_of(node, "SCORING_FUNCTION") == ".local.env"
    monkeypatch.setenv("SCORING_FUNCTION", "c:d")
    assert place_of(node, "SCORING_FUNCTION") == "the environment of this process"


def test_each_slot_that_does_not_import_or_fit_is_named(node):
    own = node.challenge / node.package
    (own / "bad.py").write_text("import nowhere\n")
    (own / "odd.py").write_text("def score(a, b):\n    return 0\n")
    set_slot(node, "INFERENCE_INPUT_BUILDER", "crunch_hot_days.bad:build")
    set_slot(node, "LEADERBOARD_RANKER", "crunch_hot_days.scoring:none")
    set_slot(node, "SCORING_FUNCTION", "crunch_hot_days.odd:score")
    (node.node / ".local.env").write_text(
        "PREDICT_SERVICE_FACTORY=extensions.absent:Ask\n"
    )
    env, _ = read_node(node)
    failed = [line for line in check_callables(node, env) if line.level == "FAIL"]
    assert {line.code for line in failed} == {"slot_invalid", "factory_refused"}
    factory, *texts = [line.found for line in failed]
    assert factory.startswith("PREDICT_SERVICE_FACTORY was 'extensions.absent:Ask': ")
    assert "INFERENCE_INPUT_BUILDER was 'crunch_hot_days.bad:build': " in texts[0]
    assert "No module named 'nowhere'" in texts[0]
    assert "its parameters must begin with (prediction, ground_truth)" in texts[1]
    assert "crunch_hot_days.scoring has no none" in texts[2]
    assert {line.do for line in failed[1:]} == {"Correct it in config/callables.env."}


def test_a_stub_of_a_scorer_is_doubtful_and_a_slot_that_raises_fails(node):
    own = node.challenge / node.package
    (own / "stub.py").write_text(
        "def score(prediction, ground_truth):\n    return {'value': 0.0}\n"
        "def rank(entries):\n    raise KeyError('rank')\n"
        "def builder(raw_input):\n    return raw_input['books']\n"
        "def truth(prediction):\n"
        "    from competitions.defaults import ground_truth_resolver\n"
        "    return ground_truth_resolver(prediction)\n"
    )
    set_slot(node, "SCORING_FUNCTION", "crunch_hot_days.stub:score")
    set_slot(node, "LEADERBOARD_RANKER", "crunch_hot_days.stub:rank")
    set_slot(node, "INFERENCE_INPUT_BUILDER", "crunch_hot_days.stub:builder")
    set_slot(node, "GROUND_TRUTH_RESOLVER", "crunch_hot_days.stub:truth")
    env, _ = read_node(node)
    lines = check_callables(node, env)
    assert [(x.level, x.code) for x in lines if x.level in {"WARN", "FAIL"}] == [
        ("WARN", "slot_raised"),
        ("FAIL", "slot_raised"),
        ("WARN", "scorer_doubtful"),
    ]
    assert "the scorer gave 0 for every trial: is it a stub?" in lines[-1].found
    (needs,) = [line.found for line in lines if line.level == "SKIP"]
    assert needs.startswith("GROUND_TRUTH_RESOLVER needs the site's data")


def test_code_that_ends_its_process_is_a_fail(node):
    (node.challenge / node.package / "end.py").write_text("import os\nos._exit(7)\n")
    set_slot(node, "SCORING_FUNCTION", "crunch_hot_days.end:score")
    env, _ = read_node(node)
    last = check_callables(node, env)[-1]
    assert (last.level, last.code) == ("FAIL", "callable_failed")
    assert "it left the process with 7" in last.found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([timed(15, 60)], []),
        ([timed(15, 1)], []),
        ([timed(15, 0)], ["horizon_zero"]),
        ([{}, {}], ["scope_key_twice"]),
        ([{"active": False}], ["schedule_empty"]),
        ([{"scope_template": {"subject": "MOON"}}], ["subject_not_in_feed"]),
        ([timed(0, 0)], ["schedule_invalid"]),
    ],
)
def test_a_schedule_is_compared_with_itself_and_the_feed(node, changes, expected):
    assert codes(schedule_of(node, *changes)) == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ("FEED_GRANULARITY=5m", ["horizon_too_short", "interval_too_short"]),
        ("FEED_GRANULARITY=1m", ["interval_too_short"]),
        ("FEED_GRANULARITY=7q", ["unknown_granularity"]),
        ("FEED_SUBJECTS=ETHUSDT", ["subject_not_in_feed"]),
    ],
)
def test_a_feed_is_compared_with_the_schedule(node, variables, expected):
    (node.node / ".local.env").write_text(f"{variables}\n")
    assert codes(schedule_of(node, {})) == expected


def test_of_a_subject_beside_the_feed_it_says_what_the_site_will_do(node):
    own = node.node / ".local.env"
    own.write_text("FEED_SUBJECTS=ETHUSDT\n")
    (line,) = schedule_of(node, {})
    assert line.found.endswith(
        "names BTCUSDT, and FEED_SUBJECTS ETHUSDT, which is asked about in its place."
    )
    pack = pack_of(node.spec_file, node.schedule_file)
    asked = packs.schedule_of(pack, CrunchConfig(), subjects=("ETHUSDT",))
    assert [each.scope_template["subject"] for each in asked] == ["ETHUSDT"]

    own.write_text("FEED_SOURCE=simulated\n")
    (line,) = schedule_of(node, {"scope_template": {"subject": "MOON"}})
    assert line.found.endswith("it makes up prices for any name.")
    request = FetchRequest("MOON", "candle", "1m", NOW - timedelta(hours=1), NOW, 10)
    assert len(sources.create("simulated").fetch(request)) == 10


@pytest.mark.parametrize("marker", MARKERS)
def test_a_marker_in_a_log_is_named_with_its_line(tmp_path, marker):
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "one.log").write_text(f"well\n12:00 {marker}: first\n12:01 {marker}: x\n")
    (line,) = check_logs(tmp_path)
    assert (line.level, line.code) == ("FAIL", "log_marker")
    assert line.found == f"models/one.log: 12:01 {marker}: x."


def test_each_model_is_named_once_a_log_and_not_if_it_runs_by_now(tmp_path):
    (tmp_path / "models.log").write_text(
        "1 model=one BAD_IMPLEMENTATION: ModuleNotFoundError: x\n"
        "2 model=two BAD_IMPLEMENTATION: early\n"
        "3 model=two BAD_IMPLEMENTATION: late\n"
        "4 model=well SyntaxError: before it was corrected\n"
    )
    write_status(tmp_path / "models", [replace(ROW, model_id="well")])
    one, two = check_logs(tmp_path)
    assert one.found.startswith("models.log: 1 model=one ")
    assert one.do == "Add what it imports to its folder."
    assert two.found == "models.log: 3 model=two BAD_IMPLEMENTATION: late."


def test_logs_without_markers_and_no_logs(tmp_path):
    assert codes(check_logs(tmp_path), "SKIP") == ["logs"]
    (tmp_path / "web.log").write_bytes(b"all is well \xff\n")
    assert codes(check_logs(tmp_path), "OK") == ["logs"]


@pytest.mark.django_db
def test_a_node_asks_its_site_about_its_own_competition(
    node, site, configured, coordinator, settings
):
    """The site of another clone may answer at its port."""
    with (node.node / ".local.env").open("a") as file:
        file.write(f"\nREPORT_API_URL={site.url}\n")
    list(examine(node, url=None, is_offline=False))
    configured(report_api_url=site.url)
    settings.WORKSPACE = node
    coordinator("check-models", "--timeout", "0.01")
    coordinator("verify-e2e", "--until-scored", "0.01")
    assert {path.partition("?")[0] for path in site.asked} == {*site.answers}
    assert all("competition=hot-days" in path for path in site.asked)


def test_the_sites_endpoints_and_clock_are_checked(site):
    assert codes(check_site(Site(site.url))) == []
    del site.answers["/reports/schema"]
    (line,) = [x for x in check_site(Site(site.url)) if x.level == "FAIL"]
    assert line.code == "site_is_another"
    assert codes(check_site(Site("http://127.0.0.1:1"))) == ["site_unreachable"]


@pytest.mark.parametrize(
    ("status", "answer", "code", "said"),
    [
        (404, b"<!DOCTYPE HTML><html>", "site_is_another", "Free its port, set PORT"),
        (200, b"hello", "site_is_another", "by another program (200, no JSON)"),
        (404, {"error": "no"}, "site_is_another", "by another program (404)"),
        (502, b"<html>", "site_unreachable", "of a proxy before it"),
        (403, {"code": "forbidden", "detail": "no"}, "site_refuses", "(forbidden): no"),
        (503, {"code": "slot_invalid"}, "site_wiring_broken", "start the site again"),
        (503, {"code": "contract_invalid"}, "site_wiring_broken", "doctor --offline"),
    ],
)
def test_who_answers_in_place_of_a_site_is_told_apart(site, status, answer, code, said):
    site.statuses["/reports/schema"] = status
    site.answers["/reports/schema"] = answer
    with pytest.raises(SiteError) as refusal:
        Site(site.url).get("/reports/schema")
    assert (refusal.value.code, said in str(refusal.value)) == (code, True)
    assert len(str(refusal.value)) < 300


def test_a_clock_that_is_off_is_a_warning(site):
    site.date = "Mon, 02 Mar 2026 12:00:00 GMT"
    assert codes(check_site(Site(site.url))) == ["clock_skew"]


def test_a_spec_for_init_is_checked(node, tmp_path, coordinator, capsys):
    assert coordinator("doctor", "--spec", node.spec_file) == 0
    out = capsys.readouterr().out
    assert "name hot-days, crunch_id hot-days" in out
    assert "pack realtime, 10 callables, 1 schedule." in out
    spec = json.loads(node.spec_file.read_text())
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({**spec, "spec_version": "2"}))
    assert coordinator("doctor", "--spec", bad) == 1
    bad.write_text(json.dumps({**spec, "model_base_classname": None}))
    (line,) = check_spec(bad)
    assert (line.level, line.code) == ("FAIL", "spec_undecided")


def test_answers_that_init_takes_are_well(tmp_path):
    file = tmp_path / "answers.json"
    for answers in ({"name": "hot-days"}, {}, {"name": "x", "spec_version": "1"}):
        file.write_text(json.dumps(answers))
        (line,) = check_spec(file)
        assert (line.level, line.code) == ("OK", "spec")
    file.write_text(json.dumps({"name": "hot-days", "scedule": 1}))
    (line,) = check_spec(file)
    assert (line.level, line.code) == ("FAIL", "spec_invalid")
    assert "'scedule'" in line.found
