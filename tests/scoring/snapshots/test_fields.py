import math

import pytest
from pydantic import BaseModel

from competitions.contract import Aggregation, CrunchConfig
from core.rounding import rounded
from scoring.snapshots.fields import (
    score_fields,
    signal_field,
    summary_fields,
)


class Output(BaseModel):
    note: str = ""
    up: float = 0.0
    down: float = 0.0


class Score(BaseModel):
    value: float
    hit: float
    note: str = ""


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (1 / 3, 0.333333333333),
        (1e100, 1e100),
        (1.1e100, None),
        (-1.1e100, None),
        (math.nan, None),
        (math.inf, None),
        (0.0, 0.0),
    ],
)
def test_a_figure_has_twelve_digits_or_is_unknown(value, stored):
    assert rounded(value) == stored


def test_the_signal_is_the_value_or_the_first_number_of_an_output():
    assert signal_field(CrunchConfig()) == "value"
    assert signal_field(CrunchConfig(output_type=Output)) == "up"


def test_a_summary_has_the_value_the_scores_numbers_the_metrics_and_the_ranking_key():
    config = CrunchConfig(
        score_type=Score,
        metrics=("ic",),
        aggregate_snapshot=lambda results: {"best": 1.0},
        aggregation=Aggregation(ranking_key="best"),
    )
    assert score_fields(config) == ["hit"]
    assert summary_fields(config) == ["value", "hit", "ic", "best"]
