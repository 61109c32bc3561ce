"""The parts of adjoining periods give the figure of both together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scoring.metrics import MetricsContext
from scoring.metrics.builtins import BUILT_IN
from scoring.metrics.parts import IN_PARTS, all_parts

NAN = np.nan
START = datetime(2026, 3, 2, tzinfo=UTC)
# Dyadic, so that sums are exact in any order.
SCORE = st.sampled_from([NAN, -2.0, -1.0, -0.5, 0.0, 0.25, 1.0, 3.0])


def period(signals, scores, actuals):
    rounds, models = np.shape(signals)
    return MetricsContext(
        model_ids=tuple(str(i) for i in range(models)),
        signals=np.asarray(signals, float),
        scores=np.asarray(scores, float),
        actuals=np.asarray(actuals, float),
        scopes=np.zeros(rounds, dtype=int),
        window_start=START,
        window_end=START + timedelta(hours=1),
    )


def cut(signals, scores, actuals, ends):
    edges = [0, *ends, len(actuals)]
    return [period(signals[a:b], scores[a:b], actuals[a:b]) for a, b in pairwise(edges)]


@st.composite
def histories(draw):
    rounds, models = draw(st.integers(0, 14)), draw(st.integers(1, 3))
    shape = (rounds, models)
    matrix = arrays.arrays(float, shape, elements=SCORE)
    actuals = draw(arrays.arrays(float, rounds, elements=SCORE))
    ends = sorted(draw(st.lists(st.integers(0, rounds), max_size=3)))
    return draw(matrix), draw(matrix), actuals, ends


@pytest.mark.parametrize("name", ["max_drawdown", "sortino_ratio", "turnover"])
@given(history=histories())
def test_a_window_is_what_its_rounds_are_however_it_is_cut(name, history):
    metric = IN_PARTS[name]
    *matrices, ends = history
    whole = metric.figure(metric.parts(period(*matrices)))
    pieces = [metric.parts(each) for each in cut(*matrices, ends)]
    np.testing.assert_allclose(metric.figure(reduce(metric.merge, pieces)), whole)


@pytest.mark.parametrize("name", sorted(IN_PARTS))
@given(history=histories())
def test_merging_is_associative_and_nothing_changes_nothing(name, history):
    metric = IN_PARTS[name]
    *matrices, ends = history
    edges = sorted([*ends, 0, 0][:2])
    a, b, c = [metric.parts(each) for each in cut(*matrices, edges)]
    left = metric.merge(metric.merge(a, b), c)
    right = metric.merge(a, metric.merge(b, c))
    np.testing.assert_allclose(left, right, atol=1e-12)
    nothing = np.zeros((len(a), metric.width))
    np.testing.assert_allclose(metric.merge(nothing, a), a)
    np.testing.assert_allclose(metric.merge(a, nothing), a)


def test_three_losing_hours_fall_as_deep_as_all_of_them():
    metric = IN_PARTS["max_drawdown"]
    hours = [[-100.0, -50.0], [20.0, -101.0], [-150.0, -50.0]]
    pieces = [
        metric.parts(period([[1.0], [1.0]], np.array([[a], [b]]), [1.0, 1.0]))
        for a, b in hours
    ]
    assert [metric.figure(p)[0] for p in pieces] == [-150.0, -101.0, -200.0]
    assert metric.figure(reduce(metric.merge, pieces))[0] == -431.0


def test_the_chunks_of_all_periods_make_one_sharpe():
    metric = IN_PARTS["ic_sharpe"]
    actuals = np.array([1.0, 2.0, 1.0, 2.0, 1.0, 2.0])
    good, bad = [1, 2, 1, 2, 2, 1], [2, 1, 2, 1, 1, 2]
    pieces = [
        metric.parts(period(np.array([signal]).T, np.zeros((6, 1)), actuals))
        for signal in (good, bad, good)
    ]
    ics = [1, 1, -1, -1, -1, 1, 1, 1, -1]
    assert metric.figure(reduce(metric.merge, pieces))[0] == pytest.approx(
        np.mean(ics) / np.std(ics)
    )


def test_a_model_with_one_round_is_unknown_until_there_is_a_second():
    metric = IN_PARTS["sortino_ratio"]
    one = metric.parts(period([[1.0]], [[1.0]], [-1.0]))
    assert np.isnan(metric.figure(one)[0])
    assert metric.figure(metric.merge(one, one))[0] == -1.0


def test_periods_of_two_rounds_are_chunks_of_a_window():
    metric = IN_PARTS["ic_sharpe"]
    pieces = [
        metric.parts(period(np.array([signal]).T, np.zeros((2, 1)), [1.0, 2.0]))
        for signal in ([1, 2], [3, 4], [2, 1], [5, 6])
    ]
    assert [np.isnan(metric.figure(p)[0]) for p in pieces] == [True] * 4
    ics = [1, 1, -1, 1]
    assert metric.figure(reduce(metric.merge, pieces))[0] == pytest.approx(
        np.mean(ics) / np.std(ics)
    )


@pytest.mark.parametrize(
    ("rounds", "chunks"),
    [(1, 0), (2, 1), (3, 1), (5, 2), (29, 3), (40, 4), (59, 5), (100, 10), (1000, 100)],
)
def test_chunks_of_ics_are_three_at_least_and_then_of_ten_rounds(rounds, chunks):
    """As far as two rounds make a chunk; an incomplete one is dropped."""
    rising = np.arange(float(rounds))
    parts = IN_PARTS["ic_sharpe"].parts(
        period(rising[:, None], rising[:, None], rising)
    )
    np.testing.assert_allclose(parts, [[chunks, min(chunks, 1), 0.0]], atol=1e-12)


@given(
    history=histories(),
    periods=st.integers(1, 4),
    scopes=st.lists(st.integers(1, 2), min_size=14, max_size=14),
)
def test_a_stack_of_periods_has_the_figures_of_each_alone(history, periods, scopes):
    signals, scores, actuals, _ = history
    rounds = len(actuals)
    # Other signals, scores and truths in each period: the same rolled on.
    columns = [
        [np.roll(each[:, 0] if each.ndim > 1 else each, k) for k in range(periods)]
        for each in (signals, scores, actuals)
    ]
    codes = np.array(scopes[:rounds], dtype=int)
    alone = [
        replace(period(s[:, None], v[:, None], a), scopes=codes)
        for s, v, a in zip(*columns, strict=True)
    ]
    matrices = [np.array(each).T.reshape(rounds, periods) for each in columns]
    stack = replace(period(*matrices[:2], matrices[2].T), scopes=codes, is_stack=True)
    for name, metric in BUILT_IN.items():
        figures = metric(stack.signals, stack.scores, stack)
        expected = [metric(each.signals, each.scores, each)[0] for each in alone]
        np.testing.assert_allclose(figures, expected, rtol=1e-12, err_msg=name)
    np.testing.assert_allclose(
        all_parts(IN_PARTS, stack),
        np.concatenate([all_parts(IN_PARTS, each) for each in alone]),
        rtol=1e-12,
    )
