"""A contract, a schedule and a scorer that do not fit are refused before they run."""

import pytest

from competitions import lifecycle
from competitions.contract import CallMethod, CrunchConfig
from competitions.errors import DefinitionError
from competitions.models import CallableFailure, Competition, ScheduledPrediction
from competitions.slots import wire
from competitions.trial import try_schedule

pytestmark = pytest.mark.django_db
HERE = "tests.competitions.test_trial"


def asking(*names, type_="STRING"):
    arguments = tuple({"name": name, "type": type_} for name in names)
    return CrunchConfig(call_method=CallMethod(args=arguments))


no_such_argument = asking("subject", "moon_phase")
wrong_type = asking("subject", type_="INT")
spelled_otherwise = asking("asset", "horizon", "step", "step_seconds")
in_template = asking("mode")
failing_scorer = CrunchConfig(scoring_function=lambda prediction, ground_truth: 1 / 0)
unknown_metric = CrunchConfig(metrics=("sharpness",))


def bad_scope(config, inference_input):
    return {"scope_key": "", "scope": {}}


def whole_scope(config, inference_input):
    return {"scope_key": "k", "scope": {"subject": "BTCUSDT"}}


def text_call(config, inference_input, scope):
    return {"args": "BTC", "kwargs": {}}


def bad_schema():
    return {"schema_version": "1", "leaderboard_columns": [{"id": "first"}]}


def raising_schema():
    raise RuntimeError("no desk today")


@pytest.fixture
def paused(competition):
    return lifecycle.pause(competition_id=competition.pk)


def refused(competition):
    with pytest.raises(DefinitionError) as refusal:
        lifecycle.activate(competition_id=competition.pk)
    competition.refresh_from_db()
    assert competition.status == "PAUSED"
    return str(refusal.value)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("no_such_argument", "the call's argument 'moon_phase' is not in the scope"),
        ("wrong_type", "'subject' was 'BTCUSDT' in the scope; the contract says INT"),
        ("failing_scorer", "the scorer failed every trial: ZeroDivisionError"),
        ("unknown_metric", "sharpness"),
    ],
)
def test_whoever_activates_what_cannot_run_is_told_why(paused, config, said):
    Competition.objects.update(config_path=f"{HERE}:{config}")
    assert said in refused(paused)


def test_the_argument_may_come_from_the_template_of_every_schedule(paused):
    Competition.objects.update(config_path=f"{HERE}:in_template")
    assert "schedule default: the call's argument 'mode'" in refused(paused)
    scheduled = ScheduledPrediction.objects.get()
    scheduled.scope_template |= {"mode": "fast"}
    scheduled.save()
    assert lifecycle.activate(competition_id=paused.pk).status == "ACTIVE"


def test_arguments_may_be_spelled_either_way(paused):
    Competition.objects.update(config_path=f"{HERE}:spelled_otherwise")
    assert lifecycle.activate(competition_id=paused.pk).status == "ACTIVE"


@pytest.mark.parametrize(
    ("slots", "said"),
    [
        ({"PREDICTION_SCOPE_BUILDER": f"{HERE}:bad_scope"}, "scope_key was ''"),
        ({"PREDICT_CALL_BUILDER": f"{HERE}:text_call"}, "give a list `args`"),
        (
            {"PREDICTION_SCOPE_BUILDER": f"{HERE}:whole_scope"},
            "argument 'resolve_horizon_seconds' is not in the scope",
        ),
    ],
)
def test_the_operators_builders_are_tried_on_the_newest_input(
    paused, tape, slots, said
):
    Competition.objects.update(slots=slots)
    assert said in refused(paused)


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ("bad_schema", "metrics_widgets"),
        ("raising_schema", "no desk today"),
    ],
)
def test_a_schema_that_does_not_fit_is_refused(paused, provider, said):
    slot = "REPORT_SCHEMA_PROVIDER"
    Competition.objects.update(slots={slot: f"{HERE}:{provider}"})
    refusal = refused(paused)
    assert said in refusal
    assert slot in refusal


def test_without_any_input_the_operators_builders_wait_for_the_first_round(competition):
    wiring = wire(CrunchConfig(), {"PREDICT_CALL_BUILDER": f"{HERE}:text_call"})
    assert try_schedule(competition, wiring) == []


def test_a_workers_start_tries_what_runs_and_keeps_what_fails(competition):
    assert lifecycle.check_running() == []
    Competition.objects.update(config_path=f"{HERE}:failing_scorer")
    [problem] = lifecycle.check_running()
    assert problem.startswith("btc fails its trial: the scorer failed every trial")
    row = CallableFailure.objects.get()
    assert (row.callable, row.count) == ("trial", 1)
    Competition.objects.update(config_path="")
    assert lifecycle.check_running() == []
    assert not CallableFailure.objects.exists()
