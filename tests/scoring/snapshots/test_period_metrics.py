"""An operator's own metric is a column of each snapshot, and harms no other figure."""

import numpy as np
import pytest

from competitions.models import CallableFailure
from scoring.cycle import run_cycle
from scoring.models import Snapshot
from tests.scoring.conftest import ask
from tests.scoring.factories import make_models

OWN = f"{__name__}:own_metric"
ANSWER = {}


def own_metric(signals, scores, context):
    return ANSWER["of"](signals, scores, context)


@pytest.fixture
def figures(competition, rewire):
    """Return the own metric and `hit_rate` of models a, b after a cycle."""
    rewire(metrics=(OWN, "hit_rate"))
    models = make_models(competition, "a", "b")

    def after_a_cycle(answer):
        ANSWER["of"] = answer
        ask(competition, models, signal=lambda model, i: 1.0)
        run_cycle(competition_id=competition.pk)
        rows = Snapshot.objects.order_by("model__model_id")
        return [
            (row.result_summary[OWN], row.result_summary["hit_rate"]) for row in rows
        ]

    yield after_a_cycle
    ANSWER.clear()


def test_it_sees_the_period_s_matrices(figures):
    def largest_signal(signals, scores, context):
        assert signals.shape == scores.shape == (5, 2)
        assert (len(context.model_ids), context.actuals.shape) == (2, (5,))
        return np.max(signals, axis=0) * [1, 2]

    assert figures(largest_signal) == [(1.0, 1.0), (2.0, 1.0)]
    assert not CallableFailure.objects.exists()


@pytest.mark.parametrize("number", [np.inf, np.nan])
def test_a_figure_that_is_no_number_is_unknown(figures, number):
    assert figures(lambda *_: [number, 0.25]) == [(None, 1.0), (0.25, 1.0)]


def total_of_all(signals, scores, context):
    return np.full(2, signals.sum() + np.abs(scores).sum() + context.actuals.sum())


def filling(signals, scores, context):
    for matrix in (signals, scores, context.actuals):
        matrix[:] = 0.0
    return [0.0, 0.0]


@pytest.mark.parametrize("names", [("filling", "total_of_all"), ("total_of_all",)])
def test_what_one_fills_in_in_place_another_does_not_see(competition, rewire, names):
    rewire(metrics=tuple(f"{__name__}:{name}" for name in names))
    ask(competition, make_models(competition, "a", "b"), signal=lambda model, i: 1.0)
    run_cycle(competition_id=competition.pk)
    rows = Snapshot.objects.values_list("result_summary", flat=True)
    [total] = {row[f"{__name__}:total_of_all"] for row in rows}
    returns = [1 / (100 + i) for i in range(5)]
    assert total == pytest.approx(10 + 20_001 * sum(returns), rel=1e-9)


def boom(*_):
    raise ZeroDivisionError("boom")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (boom, "ZeroDivisionError: boom"),
        (lambda *_: [0.0], "its answer has the shape (1,); one number for each of 2"),
        (lambda *_: ["up", "down"], "could not convert string to float"),
    ],
)
def test_one_that_fails_is_unknown_and_a_failure_with_its_name(figures, answer, said):
    assert figures(answer) == [(None, 1.0), (None, 1.0)]
    failure = CallableFailure.objects.get()
    assert failure.callable == f"metric {OWN}"
    assert said in failure.text
