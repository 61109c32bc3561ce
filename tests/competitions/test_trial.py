"""A contract, a schedule and a scorer that do not fit are refused before they run."""

import pytest

from competitions import definition, lifecycle
from competitions.callables.guarded_calls import keep_failure
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
        (
            "wrong_type",
            "'subject' was 'BTCUSDT' in the scope; the contract requires INT",
        ),
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
    assert definition.check_running() == []
    Competition.objects.update(config_path=f"{HERE}:failing_scorer")
    [problem] = definition.check_running()
    assert problem.startswith("btc fails its trial: the scorer failed every trial")
    row = CallableFailure.objects.get()
    assert (row.callable, row.count) == ("trial", 1)
    Competition.objects.update(config_path="")
    assert definition.check_running() == []
    assert not CallableFailure.objects.exists()


def own_metric(signals, scores, context):
    return [0.0]


own_parts = CrunchConfig(
    batch_scoring_function=lambda predictions, truths: [],
    aggregate_snapshot=lambda results: {},
    metrics=(f"{HERE}:own_metric",),
    ensembles=({"name": "best", "strategy": lambda metrics, signals: {}},),
)
WIRED = [
    ("REPORT_SCHEMA_PROVIDER", "competitions.defaults:report_schema_provider"),
    ("SCORING_FUNCTION", "contract:batch_scoring_function"),
    ("PREDICT_CALL_BUILDER", f"{HERE}:text_call"),
    ("aggregate_snapshot", "contract:aggregate_snapshot"),
    ("ensemble best", "contract:ensembles"),
    (f"metric {HERE}:own_metric"[:120], f"{HERE}:own_metric"),
]
NOT_WIRED = [
    ("PREDICTION_SCOPE_BUILDER", f"{HERE}:bad_scope"),
    ("build_emission", "contract:build_emission"),
    ("resolve_ground_truth", "contract:resolve_ground_truth"),
    ("ensemble worst", "contract:ensembles"),
    ("metric old.desk:edge", "old.desk:edge"),
    ("no such slot", "nowhere"),
]


@pytest.mark.parametrize("status", ["ACTIVE", "PAUSED", "ENDED"])
def test_a_workers_start_forgets_failures_of_what_is_no_longer_wired(
    competition, status
):
    Competition.objects.update(
        config_path=f"{HERE}:own_parts",
        slots={"PREDICT_CALL_BUILDER": f"{HERE}:text_call"},
        status=status,
    )
    for name, path in [*WIRED, *NOT_WIRED]:
        for _ in range(2):
            keep_failure(competition, name=name, path=path, text="broken")
    definition.check_running()
    rows = CallableFailure.objects.exclude(callable="trial")
    assert {(r.callable, r.path, r.count) for r in rows} == {
        (name, path, 2) for name, path in WIRED
    }


def test_a_start_that_cannot_wire_a_competition_keeps_its_failures(competition):
    Competition.objects.update(config_path="tests.nowhere:config")
    keep_failure(competition, name="build_emission", path="x:y", text="broken")
    for count in (1, 2):
        assert len(definition.check_running()) == 1
        failing = CallableFailure.objects.values_list("callable", "count")
        assert sorted(failing) == [("build_emission", 1), ("wiring", count)]
    Competition.objects.update(config_path="")
    assert definition.check_running() == []
    assert not CallableFailure.objects.exists()


def test_an_activation_that_passes_its_trial_forgets_the_trial_that_failed(paused):
    for name in ("trial", "wiring"):
        keep_failure(paused, name=name, path="x", text="broken")
    lifecycle.activate(competition_id=paused.pk)
    assert not CallableFailure.objects.exists()
