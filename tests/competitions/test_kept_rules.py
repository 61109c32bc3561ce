"""Every version of a competition's rules is kept, and none twice."""

from datetime import timedelta

import pytest

from competitions import lifecycle
from competitions.definition import check_running
from competitions.kept_rules import changes_between, keep_rules, rules_of
from competitions.models import Competition, KeptRules
from competitions.wiring import reset_cache
from tests.conftest import NOW

pytestmark = pytest.mark.usefixtures("db", "frozen_clock")


@pytest.fixture
def made():
    return lifecycle.create_competition(slug="btc", pack_name="realtime")


def test_rules_say_what_decides_about_a_round(made):
    rules = rules_of(made)
    assert rules["competition"]["score_interval_s"] == 15
    assert rules["callables"]["SCORING_FUNCTION"] == (
        "competitions.defaults:scoring_function"
    )
    assert rules["contract"]["aggregation"]["ranking_key"] == "score_recent"
    assert rules["contract"]["output_type"] == "competitions.contract:InferenceOutput"
    assert rules["schedules"]["realtime-btc"]["prediction_interval_s"] == 15


def test_a_version_is_kept_for_each_change_and_none_without_one(made, at):
    first = keep_rules(competition_id=made.pk, author="ada", reason="it begins")
    assert keep_rules(competition_id=made.pk) is None
    Competition.objects.update(score_interval_s=30)
    with at(NOW + timedelta(minutes=1)):
        second = keep_rules(competition_id=made.pk)
    assert (first.number, first.author, first.reason) == (1, "ada", "it begins")
    assert (second.number, second.begins_at) == (2, NOW + timedelta(minutes=1))
    assert list(changes_between(first.rules, second.rules)) == [
        "~ competition.score_interval_s: 15 -> 30"
    ]


def test_rules_whose_code_does_not_load_are_none(made):
    Competition.objects.update(config_path="competitions.contract:NOWHERE")
    assert keep_rules(competition_id=made.pk) is None
    assert not KeptRules.objects.exists()


def test_an_activation_and_the_start_of_a_worker_keep_them(made, settings):
    lifecycle.activate(competition_id=made.pk)
    assert [v.reason for v in KeptRules.objects.all()] == ["activated"]
    check_running()
    assert KeptRules.objects.count() == 1
    own = "tests.competitions.own_callables:build_input"
    settings.ENV = settings.ENV.model_copy(update={"inference_input_builder": own})
    reset_cache()
    check_running()
    newest = KeptRules.objects.last()
    assert newest.number == 2
    assert newest.reason.startswith("a worker started with other code")
    assert newest.rules["callables"]["INFERENCE_INPUT_BUILDER"] == own


def test_differences_have_their_places():
    before = {"a": {"x": 1, "gone": None}, "b": [1]}
    after = {"a": {"x": 2, "new": "y"}, "b": [1]}
    assert list(changes_between(before, after)) == [
        "- a.gone: null",
        '+ a.new: "y"',
        "~ a.x: 1 -> 2",
    ]
    assert list(changes_between(before, before)) == []
