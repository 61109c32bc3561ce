"""Workspaces become competitions of one site, side by side."""

import shutil

import pytest
from click.testing import CliRunner

from competitions import packs
from competitions.errors import CompetitionError, CompetitionExistsError
from competitions.models import Competition
from competitions.scaffold.answers import parse_answers, with_pack
from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.importing import import_workspace
from competitions.scaffold.render import Workspace
from competitions.slots import default_path
from competitions.wiring import wiring_of
from core import workspaces
from crunchsite.coordinator import exits, import_

pytestmark = pytest.mark.django_db

SCORER = """
from runtime_definitions.unit import UNIT


def score_prediction(prediction, ground_truth):
    return {"value": prediction.value * UNIT, "success": True, "failed_reason": None}
"""


@pytest.fixture
def site(tmp_path, settings, monkeypatch):
    """Where imported code is kept."""
    settings.WORKSPACES_DIR = tmp_path / "kept"
    settings.WORKSPACES_DIR.mkdir()
    monkeypatch.setattr(workspaces, "_home", None)
    workspaces.keep_in(settings.WORKSPACES_DIR)
    return settings.WORKSPACES_DIR


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setattr("competitions.scaffold.vendor.copy_engine", lambda target: None)

    def make(name, unit=1, layout="base"):
        answers = parse_answers({"name": name, "layout": layout})
        root = Workspace(with_pack(answers, packs.load("realtime"))).write(tmp_path)
        if layout == "base":
            node = root / "node" / "runtime_definitions"
            (node / "unit.py").write_text(f"UNIT = {unit}\n")
            package = root / "challenge" / f"crunch_{name.replace('-', '_')}"
            (package / "scoring.py").write_text(SCORER)
        return root

    return make


def scored(competition, value):
    answer = type("Answer", (), {"value": value})()
    return wiring_of(competition)["SCORING_FUNCTION"](answer, None)["value"]


def test_two_workspaces_with_modules_of_one_name_do_not_collide(site, made):
    one = import_workspace(made("one", unit=10))
    two = import_workspace(made("two", unit=100))
    assert scored(one, 3) == 30
    assert scored(two, 3) == 300
    assert scored(one, 3) == 30
    assert wiring_of(one).paths["RAW_INPUT_PROVIDER"].startswith("workspaces.one_")


def test_a_competition_is_made_as_the_workspace_says(site, made):
    competition = import_workspace(made("hot-days", layout="thin"))
    assert (competition.slug, competition.status) == ("hot-days", "DRAFT")
    assert competition.score_interval_s == 15
    assert competition.config_path == ""
    (scheduled,) = competition.scheduled_predictions.all()
    assert scheduled.scope_key == "realtime-btc"
    slots = competition.slots
    assert slots["SCORING_FUNCTION"].endswith(
        ".crunch_hot_days.scoring:score_prediction"
    )
    assert slots["LEADERBOARD_RANKER"] == default_path("LEADERBOARD_RANKER")


def test_the_same_code_is_kept_once_and_other_code_beside_it(site, made):
    root = made("one")
    import_workspace(root)
    import_workspace(root, slug="again")
    assert len(list(site.iterdir())) == 2  # a name is of the competition, too
    (root / "node/runtime_definitions/unit.py").write_text("UNIT = 7\n")
    other = import_workspace(root, slug="other")
    assert scored(other, 2) == 14


def test_secrets_data_and_the_engine_are_not_copied(site, made):
    root = made("one")
    (root / "node/.local.env").write_text("SECRET=1")
    (root / "node/runtime").mkdir(exist_ok=True)
    (root / "node/runtime/core.py").write_text("")
    (root / "node/var").mkdir()
    (root / "node/var/data.json").write_text("{}")
    import_workspace(root)
    names = {path.name for path in site.rglob("*")}
    assert not names & {".local.env", "runtime", "var"}


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda root: (root / "spec.json").unlink(), "spec.json cannot be used"),
        (lambda root: (root / "spec.json").write_text("{"), "spec.json cannot be used"),
        (lambda root: shutil.rmtree(root / "node"), "is no folder"),
        (
            lambda root: (root / "node/config/callables.env").write_text("X=a:b"),
            "line 1: 'X=a:b' is no SLOT=path",
        ),
        (
            lambda root: (root / "node/config/callables.env").unlink(),
            "cannot be read",
        ),
        (
            lambda root: (
                root / "node/config/scheduled_prediction_configs.json"
            ).write_text("{}"),
            "scheduled_prediction_configs.json",
        ),
        (
            lambda root: (root / "node/plugins/away.py").symlink_to("/etc/hostname"),
            "leads out of the workspace",
        ),
        (
            lambda root: (root / "node/plugins/big.csv").write_bytes(bytes(21 * 2**20)),
            "more than 20 MiB",
        ),
    ],
)
def test_a_workspace_that_is_not_whole_is_refused_by_its_file(
    site, made, spoil, problem
):
    root = made("one")
    spoil(root)
    with pytest.raises(ScaffoldError) as refusal:
        import_workspace(root)
    assert problem in str(refusal.value)
    assert list(site.iterdir()) == []
    assert not Competition.objects.exists()


def test_a_broken_callable_is_refused_before_anything_is_created(site, made):
    root = made("one")
    (root / "node/runtime_definitions/inference.py").write_text("1 / 0")
    with pytest.raises(CompetitionError, match="ZeroDivisionError") as refusal:
        import_workspace(root)
    assert not Competition.objects.exists()
    assert exits.code_of(refusal.value) == exits.INVALID  # trying again does not help


def test_the_command_imports_activates_and_keeps(site, made):
    root = made("one")
    run = CliRunner().invoke
    done = run(import_.command, [str(root / "node"), "--activate"])
    assert done.exit_code == 0, done.output
    assert Competition.objects.get().status == "ACTIVE"
    assert "LOCAL_MODELS_COMPETITION=one" in done.stderr
    again = run(import_.command, [str(root), "--keep"])
    assert (again.exit_code, again.output) == (0, "one exists, and stays as it is.\n")
    (root / "node/runtime_definitions/unit.py").write_text("UNIT = 7\n")
    followed = run(import_.command, [str(root), "--keep"])
    assert followed.exit_code == 0, followed.output
    assert "slots is {" in followed.output
    assert scored(Competition.objects.get(), 2) == 14
    schedule = root / "node/config/scheduled_prediction_configs.json"
    schedule.write_text(schedule.read_text().replace("15", "30"))
    followed = run(import_.command, [str(root), "--keep"])
    assert "prediction_interval_s is 30 now, 15 before" in followed.output
    assert "slots" not in followed.output
    refused = run(import_.command, [str(root)])
    assert isinstance(refused.exception, CompetitionExistsError)
    said = str(refused.exception)
    assert "there is a competition one already" in said
    assert "--keep" in said
    assert "--slug" in said
