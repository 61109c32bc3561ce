from typing import Literal

import pytest
from pydantic import BaseModel, Field

from competitions.contract import CrunchConfig, InferenceOutput
from competitions.slots import wire
from scoring.activation import DryRun, dry_run


def tried(**config):
    return dry_run(wire(CrunchConfig(**config), {}))


def test_the_default_scorer_passes():
    found = tried()
    assert (found.errors, found.warnings) == ([], [])


def test_a_stub_is_noticed():
    found = tried(scoring_function=lambda prediction, ground_truth: {"value": 0.0})
    assert found.errors == []
    assert found.warnings == ["the scorer gave 0 for every trial: is it a stub?"]


def test_a_scorer_that_always_raises_is_an_error():
    found = tried(scoring_function=lambda prediction, ground_truth: prediction["value"])
    assert found.errors[0].startswith("the scorer failed every trial: TypeError")


def test_a_scorer_that_sometimes_raises_is_a_warning():
    found = tried(
        scoring_function=lambda prediction, ground_truth: {
            "value": 1 / (prediction.value - 0.5)
        }
    )
    assert found.warnings == [
        "the scorer failed 2 of 6 trials: ZeroDivisionError: float division by zero"
    ]


def test_a_batch_scorer_is_tried_too():
    found = tried(batch_scoring_function=lambda predictions, ground_truth: [1.0])
    assert found.errors[0].endswith("value had shape (1,); it must be (6,)")


def test_types_that_need_more_cannot_be_tried():
    class Rich(InferenceOutput):
        label: str

    assert tried(output_type=Rich).warnings[0].startswith("the scorer could not")


@pytest.mark.parametrize("name", ["sharpness", "no.such:metric"])
def test_an_unknown_metric_is_an_error(name):
    assert name in tried(metrics=(name,)).errors[0]


class Order(BaseModel):
    value: float = 0.0
    action: Literal["buy", "sell"]
    amount: float = Field(ge=0)


def test_a_choice_and_further_numbers_are_made_up():
    def score(prediction, ground_truth):
        size = prediction.amount * (1 if prediction.action == "buy" else -1)
        assert size == prediction.value
        return {"value": size * ground_truth.actual_return}

    assert tried(output_type=Order, scoring_function=score) == DryRun([], [])
