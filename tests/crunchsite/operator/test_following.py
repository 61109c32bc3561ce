"""A workspace's files, edited after the first start: the operator's edits stand."""

import json
import shutil

import pytest

from competitions import lifecycle, packs
from competitions.models import Competition, Round, ScheduledPrediction
from competitions.scaffold.answers import parse_answers, with_pack
from competitions.scaffold.render import Workspace
from crunchsite.events.models import Event
from crunchsite.operator.following import follow_files
from crunchsite.settings.workspace import read_workspace
from crunchsite.stack import demo
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("db", "frozen_clock")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    answers = parse_answers({"name": "hot-days", "layout": "thin"})
    workspace = Workspace(with_pack(answers, packs.load("realtime")))
    return workspace.write(tmp_path_factory.mktemp("made"))


@pytest.fixture
def node(made, tmp_path, settings):
    """A node whose site has been started once."""
    shutil.copytree(made, tmp_path / "hot-days")
    settings.VAR_DIR = tmp_path / "var"
    settings.WORKSPACE = read_workspace(str(tmp_path / "hot-days"))
    demo.ensure()
    return settings.WORKSPACE


def ask(node, **changes):
    (first,) = json.loads(node.schedule_file.read_text())
    first["schedule"] |= changes
    node.schedule_file.write_text(json.dumps([first]))


def timed(interval, horizon):
    return {
        "prediction_interval_seconds": interval,
        "resolve_horizon_seconds": horizon,
    }


def schedule():
    return ScheduledPrediction.objects.get(scope_key="realtime-btc")


EVERY = "prediction_interval_s"


def test_nothing_is_done_while_the_files_are_as_they_were(node):
    before = Competition.objects.values().get()
    assert demo.follow_workspace() == []
    assert Competition.objects.values().get() == before


def test_an_edited_schedule_is_in_force_after_the_next_start(node, at):
    ask(node, prediction_interval_seconds=30)
    assert demo.follow_workspace() == [
        "realtime-btc: prediction_interval_s is 30 now, 15 before"
    ]
    assert schedule().prediction_interval_s == 30
    assert schedule().next_slot_at is not None
    event = Event.objects.get(kind="rule.changed")
    assert event.payload["schedules"] == ["realtime-btc"]
    assert demo.follow_workspace() == []


def test_what_an_operator_changed_stands(node):
    ScheduledPrediction.objects.update(prediction_interval_s=45)
    ask(node, resolve_horizon_seconds=120)
    assert demo.follow_workspace() == [
        "realtime-btc: resolve_horizon_s is 120 now, 60 before"
    ]
    assert schedule().prediction_interval_s == 45


def test_what_both_changed_is_said_until_somebody_decides(node):
    ScheduledPrediction.objects.update(prediction_interval_s=45)
    ask(node, prediction_interval_seconds=30)
    (line,) = demo.follow_workspace()
    assert line.startswith(
        "realtime-btc: prediction_interval_s is 45 on the site, 30 in files: "
        "`coordinator rules apply --files`"
    )
    assert demo.follow_workspace() == [line]
    follow_files(demo.workspace_draft(node.slug), side="site")
    assert demo.follow_workspace() == []
    assert schedule().prediction_interval_s == 45
    follow_files(demo.workspace_draft(node.slug), side="files")
    assert schedule().prediction_interval_s == 30


def test_what_earlier_rounds_forbid_is_refused_alone(node):
    Round.objects.create(
        competition=Competition.objects.get(),
        scheduled_prediction=schedule(),
        slot_at=NOW,
        scope_key="realtime-btc",
        received_at=NOW,
    )
    (first,) = json.loads(node.schedule_file.read_text())
    longer = {**first, "schedule": timed(30, 120)}
    other = {**first, "scope_key": "slow", "schedule": timed(30, 120)}
    node.schedule_file.write_text(json.dumps([longer, other]))
    *_, refused = lines = demo.follow_workspace()
    assert refused.startswith("realtime-btc: the files' values cannot be taken: ")
    assert "Its rounds have asked 60 s ahead" in refused
    assert schedule().prediction_interval_s == 15
    assert ScheduledPrediction.objects.get(scope_key="slow").resolve_horizon_s == 120
    assert demo.follow_workspace() == [refused] != lines


def test_a_schedule_that_is_gone_asks_no_more_and_a_new_one_begins(node):
    (first,) = json.loads(node.schedule_file.read_text())
    other = {**first, "scope_key": "realtime-eth", "scope": {"subject": "ETHUSDT"}}
    other.pop("scope_template", None)
    node.schedule_file.write_text(json.dumps([other]))
    demo.follow_workspace()
    running = ScheduledPrediction.objects.filter(active=True)
    assert [s.scope_key for s in running] == ["realtime-eth"]
    assert not schedule().active
    assert schedule().next_slot_at is None


def test_another_interval_of_the_environment_is_taken_too(node, settings):
    settings.ENV = settings.ENV.model_copy(update={"checkpoint_interval_seconds": 60})
    demo.follow_workspace()
    made = Competition.objects.get()
    assert (made.checkpoint_interval_s, made.score_interval_s) == (60, 60)


def test_a_site_of_before_is_asked_about_what_differs(node):
    Competition.objects.update(as_written={})
    assert demo.follow_workspace() == []
    Competition.objects.update(as_written={})
    ask(node, prediction_interval_seconds=30)
    (line,) = demo.follow_workspace()
    assert "15 on the site, 30 in files" in line


def test_one_that_has_ended_is_left_alone(node):
    Competition.objects.update(status="ENDED")
    ask(node, prediction_interval_seconds=30)
    assert demo.follow_workspace() == []
    assert schedule().prediction_interval_s == 15


def test_a_demo_without_a_workspace_follows_nothing(settings, tmp_path):
    settings.VAR_DIR, settings.WORKSPACE = tmp_path, None
    demo.ensure()
    assert demo.follow_workspace() == []


def test_a_paused_one_takes_the_edit_and_stays_paused(node):
    lifecycle.pause(competition_id=Competition.objects.get().pk)
    ask(node, prediction_interval_seconds=30)
    assert len(demo.follow_workspace()) == 1
    assert Competition.objects.get().status == "PAUSED"
    assert schedule().next_slot_at is None


def test_a_feed_that_is_refused_leaves_the_schedules_to_the_old_one(node, settings):
    Round.objects.create(
        competition=Competition.objects.get(),
        scheduled_prediction=schedule(),
        slot_at=NOW,
        scope_key="realtime-btc",
        received_at=NOW,
    )
    settings.ENV = settings.ENV.model_copy(update={"feed_granularity": "1m"})
    ask(node, prediction_interval_seconds=30)
    refused, taken = sorted(demo.follow_workspace(), key=lambda line: "is 30" in line)
    assert "Rounds are waiting for their truth from the feed as it was" in refused
    assert taken == "realtime-btc: prediction_interval_s is 30 now, 15 before"
    assert Competition.objects.get().feed_granularity == "1s"
