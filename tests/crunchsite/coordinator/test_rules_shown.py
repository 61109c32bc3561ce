"""`coordinator rules`: versions, and how a workspace's files differ from the site."""

import json

import pytest

from competitions import packs
from competitions.kept_rules import keep_rules
from competitions.models import Competition, ScheduledPrediction
from competitions.package_rules import RULES_FILE, rules_text
from competitions.scaffold.answers import parse_answers, with_pack
from competitions.scaffold.render import Workspace
from core import workspaces
from crunchsite.coordinator.checkup.site_files import check_files_followed
from crunchsite.settings.workspace import read_workspace
from crunchsite.stack import demo

pytestmark = pytest.mark.usefixtures("db", "frozen_clock")


@pytest.fixture
def node(tmp_path, settings):
    """A node whose site has been started once."""
    answers = parse_answers({"name": "hot-days", "layout": "thin"})
    root = Workspace(with_pack(answers, packs.load("realtime"))).write(tmp_path)
    settings.VAR_DIR = tmp_path / "var"
    settings.WORKSPACE = read_workspace(str(root))
    demo.ensure()
    return settings.WORKSPACE


def ask_every(node, seconds):
    (first,) = json.loads(node.schedule_file.read_text())
    first["schedule"]["prediction_interval_seconds"] = seconds
    node.schedule_file.write_text(json.dumps([first]))


def test_files_and_site_that_agree(node, coordinator, capsys):
    assert coordinator("rules", "diff") == 0
    assert capsys.readouterr().out == ""


def test_what_differs_says_where_it_was_changed(node, coordinator, capsys):
    ask_every(node, 30)
    assert coordinator("rules", "diff") == 1
    assert capsys.readouterr().out == (
        "realtime-btc: prediction_interval_s is 15 on the site, 30 in files (changed "
        "in the files; their next start takes it over)\n"
    )
    ScheduledPrediction.objects.update(prediction_interval_s=45)
    assert coordinator("rules", "diff", "--json") == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row == {
        "place": "realtime-btc",
        "field": "prediction_interval_s",
        "site": 45,
        "files": 30,
        "is": "asked",
    }


def test_apply_decides(node, coordinator, capsys):
    ask_every(node, 30)
    ScheduledPrediction.objects.update(prediction_interval_s=45)
    assert coordinator("rules", "apply") == 0
    assert "45 on the site, 30 in files" in capsys.readouterr().out
    assert coordinator("rules", "apply", "--files") == 0
    assert "is 30 now, 45 before" in capsys.readouterr().out
    assert ScheduledPrediction.objects.get().prediction_interval_s == 30
    assert coordinator("rules", "apply") == 0
    assert capsys.readouterr().out == "Nothing was changed.\n"


def test_apply_makes_the_packages_rules_anew(node, coordinator, capsys, client):
    package = node.challenge / node.package
    coordinator("rules", "apply")
    assert not (package / RULES_FILE).exists()  # the layout thin has none
    rules = client.get("/reports/rules").json()["rules"]
    (package / RULES_FILE).write_text(rules_text({**rules, "window": 7, "old": 1}))
    capsys.readouterr()
    coordinator("rules", "apply")
    said = "Nothing was changed.\nThe public package has new rules: old, window.\n"
    assert capsys.readouterr().out == said
    assert json.loads((package / RULES_FILE).read_text()) == rules
    assert "properties" in (package / "schemas" / "output.schema.json").read_text()
    ScheduledPrediction.objects.update(prediction_interval_s=45)
    coordinator("rules", "apply")
    assert "has new rules: schedule.\n" in capsys.readouterr().out


def test_doctor_says_what_waits_and_what_somebody_decides(node):
    assert [line.level for line in check_files_followed(node)] == ["OK"]
    ask_every(node, 30)
    (line,) = check_files_followed(node)
    assert (line.level, line.code) == ("WARN", "files_not_followed")
    assert line.do == "Start the site again."
    ScheduledPrediction.objects.update(prediction_interval_s=45)
    (line,) = check_files_followed(node)
    assert (line.level, line.code) == ("WARN", "files_differ")
    assert "rules apply --files" in line.do
    ask_every(node, 15)
    (line,) = check_files_followed(node)
    assert line.level == "OK"
    assert "45 on the site, 15 in files" in line.found
    Competition.objects.update(slug="another")
    assert [line.level for line in check_files_followed(node)] == ["SKIP"]


def test_versions_are_listed_and_compared(node, coordinator, capsys):
    Competition.objects.update(score_interval_s=30)
    keep_rules(competition_id=Competition.objects.get().pk, author="ada", reason="why")
    assert coordinator("rules", "list") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split(maxsplit=1)[0] == "1"
    assert first.endswith(": activated")
    assert second.endswith(" by ada: why")
    assert coordinator("rules", "diff", "1") == 1
    line = "~ competition.score_interval_s: 15 -> 30\n"
    assert capsys.readouterr().out == line
    assert coordinator("rules", "diff", "2", "2") == 0
    assert coordinator("rules", "diff", "1", "9") == 2
    assert "the newest is 2" in capsys.readouterr().err


@pytest.fixture
def kept_code(settings, tmp_path, monkeypatch):
    """Where imported code is kept; that it is tried apart is tested elsewhere."""
    monkeypatch.setattr("competitions.definition.try_apart", lambda **_: None)
    settings.WORKSPACES_DIR = tmp_path / "kept"
    monkeypatch.setattr(workspaces, "_home", settings.WORKSPACES_DIR)


@pytest.mark.usefixtures("kept_code")
def test_a_workspace_that_was_imported_is_compared_too(
    node, coordinator, capsys, settings
):
    settings.WORKSPACE = None
    root = str(node.node.parent)
    assert coordinator("rules", "diff", "--workspace", root, "--slug", "other") == 2
    assert "no competition other on this site" in capsys.readouterr().err
    assert coordinator("import", root, "--slug", "other") == 0
    assert coordinator("rules", "diff", "--workspace", root, "--slug", "other") == 0
