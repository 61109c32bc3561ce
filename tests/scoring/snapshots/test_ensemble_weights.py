import numpy as np
import pytest
from pydantic import ValidationError

from competitions.contract import EnsembleConfig
from scoring.snapshots.ensemble_weights import (
    blended,
    equal_weight,
    inverse_variance,
    members_of,
    min_metric,
    top_n,
)


def column(*values):
    return np.array(values, dtype=float)


def test_inverse_variance_weighs_the_steady_more():
    signals = {"a": column(1, -1), "b": column(2, -2), "c": column(3, 3)}
    metrics = {model_id: {} for model_id in signals}
    # Raw weights 1, 1/4 and (no variance) 1.
    assert inverse_variance(metrics, signals) == pytest.approx(
        {"a": 1 / 2.25, "b": 0.25 / 2.25, "c": 1 / 2.25}
    )
    assert inverse_variance({}, {}) == {}


def test_equal_weights_sum_to_one():
    assert equal_weight({"a": {}, "b": {}}, {}) == {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize(
    ("model_filter", "expected"),
    [
        (None, ["a", "b", "c"]),
        (top_n(2), ["b", "a"]),
        ({"top_n": 1}, ["b"]),
        (min_metric("ic", 0.1), ["a"]),
        ({"min_metric": {"name": "ic", "threshold": 0.1}}, ["a"]),
        (lambda model_id, metrics: model_id != "b", ["a", "c"]),
    ],
)
def test_filters(model_filter, expected):
    metrics = {"a": {"value": 1.0, "ic": 0.1}, "b": {"value": 2.0}, "c": {}}
    config = EnsembleConfig(name="some", model_filter=model_filter)
    assert members_of(config.model_filter, metrics) == expected


@pytest.mark.parametrize(
    ("model_filter", "problem"),
    [
        ({}, "give top_n, min_metric or both"),
        ({"best": 3}, "best"),
        ({"top_n": 0}, "top_n"),
        ({"top_n": "many"}, "top_n"),
        ({"min_metric": {"name": "ic"}}, "threshold"),
        ({"top_n": 2, "min_metrics": {"name": "ic", "threshold": 0}}, "min_metrics"),
    ],
)
def test_a_filter_that_says_nothing_known_is_refused(model_filter, problem):
    with pytest.raises(ValidationError, match=problem):
        EnsembleConfig(name="some", model_filter=model_filter)


def test_a_filter_may_ask_for_the_best_of_those_above_a_threshold():
    both = {"top_n": 1, "min_metric": {"name": "ic", "threshold": 0.1}}
    config = EnsembleConfig(name="some", model_filter=both)
    metrics = {
        "best": {"value": 9.0, "ic": 0.05},
        "good": {"value": 2.0, "ic": 0.2},
        "fair": {"value": 1.0, "ic": 0.3},
    }
    assert members_of(config.model_filter, metrics) == ["good"]


def test_a_blend_that_says_the_same_in_each_round_is_constant():
    up, down = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.5, 0.4, 0.3, 0.2])
    blend = blended(column(0.5, 0.5), np.column_stack([up, down]))
    assert len(set(blend.tolist())) == 1
    assert blend[0] == pytest.approx(0.3, abs=1e-11)


def test_a_silent_member_leaves_its_weight_to_the_others():
    signals = np.array([[10.0, 6.0], [np.nan, 6.0], [np.nan, np.nan]])
    found = blended(column(0.75, 0.25), signals)
    np.testing.assert_array_equal(found, [9.0, 6.0, np.nan])


def test_what_stands_in_place_of_a_figure_is_below_every_minimum():
    metrics = {"a": {"ic": "good"}, "b": {"ic": 0.2}, "c": {"ic": True}}
    assert members_of(min_metric("ic", 0.1), metrics) == ["b"]
