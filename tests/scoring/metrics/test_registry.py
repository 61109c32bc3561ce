import numpy as np
import pytest

from scoring.metrics import default_registry
from scoring.metrics.registry import UnknownMetricError
from tests.scoring.metrics.test_builtins import context


def twice_the_mean(predictions, scores, context):
    return 2 * predictions.mean(axis=0)


def test_the_eleven_built_in_metrics_are_available_in_order():
    assert default_registry().available() == [
        "contribution",
        "ensemble_correlation",
        "fnc",
        "hit_rate",
        "ic",
        "ic_sharpe",
        "max_drawdown",
        "mean_return",
        "model_correlation",
        "sortino_ratio",
        "turnover",
    ]


def test_only_the_named_metrics_are_computed():
    registry = default_registry()
    assert list(registry.compute(["turnover"], context([[1, 2]]))) == ["turnover"]
    assert registry.compute([], context([[1, 2]])) == {}


def test_a_custom_metric_is_registered_or_named_by_its_path():
    registry = default_registry()
    registry.register("twice", twice_the_mean)
    path = f"{__name__}:twice_the_mean"
    columns = registry.compute(["twice", path], context([[1, 3], [2, 2]]))
    assert [list(column) for column in columns.values()] == [[4.0, 4.0]] * 2


@pytest.mark.parametrize(
    "bad",
    [
        lambda predictions, scores, context: 1 / 0,
        lambda predictions, scores, context: [1.0, 2.0, 3.0],
        lambda predictions, scores, context: "high",
    ],
)
def test_a_broken_metric_is_unknown_and_stops_no_other(bad):
    registry = default_registry()
    registry.register("bad", bad)
    columns = registry.compute(["bad", "turnover"], context([[1, 3]]))
    assert np.isnan(columns["bad"]).all()
    assert list(columns["turnover"]) == [2.0]


@pytest.mark.parametrize("name", ["sharpness", "no.such:thing", "math:nothing"])
def test_an_unknown_metric_is_named(name):
    with pytest.raises(UnknownMetricError, match=f"metric was {name!r}"):
        default_registry().get(name)
