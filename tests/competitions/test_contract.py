import pytest
from pydantic import BaseModel, ValidationError

from competitions.contract import (
    Aggregation,
    CrunchConfig,
    CrunchContract,
    InferenceOutput,
    Schedule,
    ScheduledPredictionConfig,
    ScoreResult,
)


def config(schedule, scope=None):
    return ScheduledPredictionConfig(
        scope_key="k", scope_template=scope or {}, schedule=schedule
    )


def test_both_names_of_the_contract_are_one_class():
    assert CrunchContract is CrunchConfig


def test_every_seconds_is_the_interval_and_the_horizon_comes_from_the_scope():
    schedule = config({"every_seconds": 15}, {"horizon_seconds": 60}).schedule
    assert schedule == Schedule(
        prediction_interval_seconds=15, resolve_horizon_seconds=60
    )


def test_an_explicit_zero_horizon_is_immediate():
    schedule = config(
        {"every_seconds": 15, "resolve_after_seconds": 0}, {"horizon": 60}
    ).schedule
    assert schedule.resolve_horizon_seconds == 0


@pytest.mark.parametrize(
    "schedule",
    [
        {"every_seconds": 15, "resolve_horizon_seconds": 1, "typo": 1},
        {"every_seconds": 0, "resolve_horizon_seconds": 1},
        {"every_seconds": 15},
        {
            "every_seconds": 15,
            "prediction_interval_seconds": 15,
            "resolve_horizon_seconds": 1,
        },
    ],
)
def test_a_misspelt_or_incomplete_schedule_is_refused(schedule):
    with pytest.raises(ValidationError):
        config(schedule)


def test_the_windows_are_a_day_three_days_and_a_week():
    windows = CrunchConfig().aggregation.windows
    assert {name: w.hours for name, w in windows.items()} == {
        "score_recent": 24,
        "score_steady": 72,
        "score_anchor": 168,
    }


@pytest.mark.parametrize("key", ["nothing", "success", "failed_reason"])
def test_a_ranking_key_that_no_number_has_is_refused(key):
    with pytest.raises(ValidationError, match=f"ranking_key was '{key}'"):
        CrunchConfig(aggregation=Aggregation(ranking_key=key))


def test_a_metric_may_be_the_ranking_key():
    assert CrunchConfig(aggregation=Aggregation(ranking_key="ic_sharpe"))


class Words(BaseModel):
    text: str


def test_a_batch_scorer_without_a_number_to_score_is_refused():
    with pytest.raises(ValidationError, match="Words declares no number"):
        CrunchConfig(output_type=Words, batch_scoring_function=print)
    assert CrunchConfig(output_type=Words)


def test_an_output_without_a_value_or_with_nan_is_invalid():
    for bad in ({}, {"value": float("nan")}, {"value": "much"}):
        with pytest.raises(ValidationError):
            InferenceOutput.model_validate(bad)


def test_a_score_keeps_its_extra_keys():
    score = ScoreResult.model_validate({"value": 1, "actual_return": 0.5})
    assert score.model_dump()["actual_return"] == 0.5
