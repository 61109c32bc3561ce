"""An exported competition is the same one when it is imported."""

import json
import re
import shutil

import pytest

from competitions import lifecycle, packs
from competitions.kept_rules import rules_of
from competitions.models import Competition, ScheduledPrediction
from competitions.scaffold.answers import parse_answers, with_pack
from competitions.scaffold.errors import ScaffoldError, WorkspaceExistsError
from competitions.scaffold.exporting import export_workspace
from competitions.scaffold.importing import import_workspace
from competitions.scaffold.render import Workspace
from competitions.wiring import reset_cache
from core import workspaces
from crunchsite.coordinator import cli

pytestmark = pytest.mark.usefixtures("db", "frozen_clock")

CONTRACT = """
from competitions.contract import Aggregation, AggregationWindow, CrunchConfig
from competitions.contract import Schedule, ScheduledPredictionConfig


def score(prediction, ground_truth):
    return {"value": 2.0}


CrunchConfig_ = CrunchConfig(
    scoring_function=score,
    aggregation=Aggregation(
        windows={"day": AggregationWindow(hours=24)}, ranking_key="day"
    ),
    metrics=("hit_rate",),
    scheduled_predictions=(
        ScheduledPredictionConfig(
            scope_key="own-btc",
            scope={"subject": "BTCUSDT"},
            schedule=Schedule(
                prediction_interval_seconds=60, resolve_horizon_seconds=120
            ),
        ),
    ),
)
"""


@pytest.fixture(autouse=True)
def site(tmp_path, settings, monkeypatch):
    """A site with imported code; without what takes long and is tested elsewhere."""
    monkeypatch.setattr("competitions.scaffold.vendor.copy_engine", lambda target: None)
    monkeypatch.setattr("competitions.definition.try_apart", lambda **_: None)
    settings.WORKSPACES_DIR = tmp_path / "kept"
    settings.WORKSPACES_DIR.mkdir()
    monkeypatch.setattr(workspaces, "_home", None)
    workspaces.keep_in(settings.WORKSPACES_DIR)
    return settings.WORKSPACES_DIR


def plain_rules(competition):
    """The rules, with the paths of imported code as they are in its workspace."""
    rules = rules_of(competition)
    rules["competition"].pop("config_path")
    rules.pop(
        "sources"
    )  # of files at other places, or with the engine's class imported
    text = re.sub(r"workspaces\.\w+\.", "", json.dumps(rules))
    return json.loads(text)


def round_trip(competition, tmp_path, **options):
    folder = export_workspace(competition, output=tmp_path / "out", **options)
    return folder, import_workspace(folder, slug="again")


@pytest.mark.parametrize(
    ("pack", "layout"),
    [("baseline", "base"), ("realtime", "vendored"), ("trading", "thin")],
)
def test_a_competition_of_a_pack_as_operators_left_it(pack, layout, tmp_path):
    made = lifecycle.create_competition(slug="btc", name="Bitcoin", pack_name=pack)
    Competition.objects.update(score_interval_s=7, snapshot_period_s=600)
    ScheduledPrediction.objects.update(prediction_interval_s=90, meta={"why": "slow"})
    made.refresh_from_db()
    _, again = round_trip(made, tmp_path, layout=layout)
    assert plain_rules(again) == plain_rules(made)
    assert again.checkpoint_interval_s == made.checkpoint_interval_s


def test_an_imported_one_keeps_its_code_under_its_own_name(tmp_path):
    answers = parse_answers({"name": "hot-days", "layout": "base"})
    root = Workspace(with_pack(answers, packs.load("realtime"))).write(tmp_path)
    scoring = root / "challenge/crunch_hot_days/scoring.py"
    scoring.write_text(scoring.read_text() + "\nMINE = 1\n")
    (root / "node/secret.env").write_text("KEY=1")
    made = import_workspace(root, slug="summer")
    ScheduledPrediction.objects.update(active=False)
    folder, again = round_trip(made, tmp_path, layout="base")
    assert folder.name == "hot-days"
    exported = folder / "challenge/crunch_hot_days/scoring.py"
    assert exported.read_text() == scoring.read_text()
    assert not list(folder.rglob("secret.env"))
    assert plain_rules(again) == plain_rules(made)
    assert not again.scheduled_predictions.get().active


@pytest.fixture
def own_module(tmp_path, settings, monkeypatch):
    """An operator's module with a contract that has a schedule of its own."""
    package = tmp_path / "operator" / "acme_rules"
    package.mkdir(parents=True)
    (package / "cup.py").write_text(CONTRACT)
    monkeypatch.syspath_prepend(str(package.parent))
    settings.CALLABLE_PACKAGES = (*settings.CALLABLE_PACKAGES, "acme_rules")
    reset_cache()
    return "acme_rules.cup:CrunchConfig_"


def test_a_contract_of_the_operators_own_comes_along(own_module, tmp_path):
    made = lifecycle.create_competition(
        slug="cup", pack_name="baseline", config_path=own_module
    )
    ScheduledPrediction.objects.update(prediction_interval_s=30)
    folder, again = round_trip(made, tmp_path)
    assert (folder / "crunch-node-cup/acme_rules/cup.py").read_text() == CONTRACT
    assert plain_rules(again) == plain_rules(made)
    assert again.scheduled_predictions.get().prediction_interval_s == 30
    rules = json.loads((folder / "crunch-cup/crunch_cup/rules.json").read_text())
    assert (rules["ranking_key"], rules["metrics"]) == ("day", ["hit_rate"])
    assert rules["schedule"][0]["every_s"] == 30


def test_nothing_half_written(tmp_path, monkeypatch):
    made = lifecycle.create_competition(slug="btc", pack_name="realtime")
    folder = export_workspace(made, output=tmp_path, layout="thin")
    with pytest.raises(WorkspaceExistsError):
        export_workspace(made, output=tmp_path, layout="thin")
    export_workspace(made, output=tmp_path, layout="thin", is_forced=True)
    shutil.rmtree(folder)
    Competition.objects.update(slots={"SCORING_FUNCTION": "acme_gone.x:score"})
    made.refresh_from_db()
    with pytest.raises(Exception, match="acme_gone"):
        export_workspace(made, output=tmp_path, layout="thin")
    assert not folder.exists()


def test_a_slug_that_is_no_name_of_a_workspace_takes_another(tmp_path):
    made = lifecycle.create_competition(slug="api", pack_name="realtime")
    with pytest.raises(ScaffoldError, match="is reserved"):
        export_workspace(made, output=tmp_path, layout="thin")
    folder = export_workspace(made, output=tmp_path, layout="thin", name="api-cup")
    assert folder.name == "api-cup"


def test_the_command(tmp_path, capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main(["export", *arguments, "--output", str(tmp_path)])
        return left.value.code or 0

    assert run("btc") == 2
    assert "there is no competition btc on this site" in capsys.readouterr().err
    lifecycle.create_competition(slug="btc", pack_name="realtime")
    assert run("btc", "--layout", "thin") == 0
    assert capsys.readouterr().out == f"{tmp_path}/btc\n"
    assert run("btc", "--layout", "thin") == 1
