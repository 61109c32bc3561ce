"""The metrics against slow and obvious ones, on whatever matrices hypothesis finds."""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from scoring.metrics import Ensemble, default_registry
from tests.scoring.metrics.test_builtins import ALL, NAN, context

# Dyadic, so that sums are exact in any order; few, so that ties are common.
TAME = st.sampled_from([NAN, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
WILD = st.sampled_from([NAN, 0.0, -0.0, 1e100, -1e100, 1e-300, 5e-324, 1.0, -3.7])
SHAPES = st.tuples(st.integers(1, 5), st.integers(0, 14))


def rho(x, y):
    """Spearman over the pairs that both have; None without variance."""
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if not math.isnan(a + b)]
    if len(pairs) < 2:
        return None
    a, b = (stats.rankdata(side) for side in zip(*pairs, strict=True))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def mean(values):
    return sum(values) / len(values) if values else None


def sign(value):
    return (value > 0) - (value < 0)


def bets(signals, actuals):
    return [
        sign(s) * a
        for s, a in zip(signals, actuals, strict=True)
        if not math.isnan(s + a)
    ]


def slow_ic_sharpe(signals, actuals):
    n = len(actuals)
    size = max(2, n // max(3, n // 10))
    ics = [
        rho(signals[i : i + size], actuals[i : i + size])
        for i in range(0, n // size * size, size)
    ]
    known = [x for x in ics if x is not None]
    if n < 4 or len(known) < 2:
        return None
    return capped(np.mean(known), np.std(known))


def capped(mean, deviation):
    if deviation > 1e-12:
        return max(-10.0, min(10.0, mean / deviation))
    return math.copysign(10.0, mean) if abs(mean) > 1e-12 else None


def slow_drawdown(scores):
    known = [s for s in scores if not math.isnan(s)]
    total = peak = worst = 0.0
    for score in known:
        total += score
        peak = max(peak, total)
        worst = min(worst, total - peak)
    return worst if len(known) >= 2 else None


def slow_sortino(signals, actuals):
    returns = bets(signals, actuals)
    losses = [r * r for r in returns if r < 0]
    if len(returns) < 2:
        return None
    return capped(mean(returns), math.sqrt(mean(losses) or 0.0))


def slow_turnover(signals, scopes):
    changes = []
    for scope in set(scopes):
        own = [
            s
            for s, c in zip(signals, scopes, strict=True)
            if c == scope and not math.isnan(s)
        ]
        changes += [abs(b - a) for a, b in pairwise(own)]
    return mean(changes)


def slow_model_correlation(i, signals):
    others = [rho(signals[i], other) for j, other in enumerate(signals) if j != i]
    return mean([r for r in others if r is not None])


def slow_fnc(i, signals, actuals):
    if len(signals) < 2:
        return rho(signals[0], actuals)
    means = [
        mean([v for v in column if not math.isnan(v)])
        for column in zip(*signals, strict=True)
    ]
    left = [NAN if m is None else s - m for s, m in zip(signals[i], means, strict=True)]
    # Thirds and fifths are not exact; what is equal must stay equal.
    return rho([round(v, 9) for v in left], actuals)


def blend(signals, weights, leave=None):
    values = []
    for column in zip(*signals, strict=True):
        kept = [
            (w, v)
            for j, (w, v) in enumerate(zip(weights, column, strict=True))
            if j != leave and not math.isnan(v)
        ]
        total = sum(w for w, _ in kept)
        values.append(round(sum(w * v for w, v in kept) / total, 9) if total else NAN)
    return values


def slow_contribution(i, signals, actuals, weights):
    if all(map(math.isnan, signals[i])):
        return None
    whole = rho(blend(signals, weights), actuals)
    rest = rho(blend(signals, weights, leave=i), actuals)
    return None if whole is None or rest is None else whole - rest


def computed(signals, actuals, weights, scopes=None):
    ensemble = Ensemble("e", np.array(blend(signals, weights)), np.array(weights))
    given = context(signals, actuals, scopes=scopes, ensembles=[ensemble])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return default_registry().compute(ALL, given)


@settings(max_examples=100)
@given(st.data(), SHAPES)
def test_every_metric_is_what_a_slow_loop_says(data, shape):
    models, rounds = shape
    signals = data.draw(arrays.arrays(float, shape, elements=TAME)).tolist()
    actuals = data.draw(arrays.arrays(float, rounds, elements=TAME)).tolist()
    scopes = data.draw(arrays.arrays(int, rounds, elements=st.integers(0, 2))).tolist()
    weights = [0.7, 0.1, 0.2, 0.3, 0.6][:models]
    found = computed(signals, actuals, weights, scopes)
    pairs = [
        [
            sign(s) == sign(a)
            for s, a in zip(own, actuals, strict=True)
            if not math.isnan(s + a)
        ]
        for own in signals
    ]
    blended = blend(signals, weights)
    for i, own in enumerate(signals):
        expected = {
            "ic": rho(own, actuals),
            "ic_sharpe": slow_ic_sharpe(own, actuals),
            "hit_rate": mean(pairs[i]),
            "mean_return": mean(bets(own, actuals)),
            "max_drawdown": slow_drawdown(own),
            "sortino_ratio": slow_sortino(own, actuals),
            "turnover": slow_turnover(own, scopes),
            "model_correlation": slow_model_correlation(i, signals),
            "fnc": slow_fnc(i, signals, actuals),
            "ensemble_correlation": rho(own, blended),
            "contribution": slow_contribution(i, signals, actuals, weights),
        }
        for name, value in expected.items():
            got = None if np.isnan(found[name][i]) else float(found[name][i])
            assert got == (None if value is None else pytest.approx(value, abs=1e-9)), (
                name
            )


@settings(max_examples=100)
@given(st.data(), SHAPES)
def test_no_matrix_makes_a_metric_infinite_or_of_another_shape(data, shape):
    signals = data.draw(arrays.arrays(float, shape, elements=WILD))
    actuals = data.draw(arrays.arrays(float, shape[1], elements=WILD))
    found = computed(signals.tolist(), actuals.tolist(), [1.0] * shape[0])
    for name, column in found.items():
        assert column.shape == (shape[0],), name
        assert not np.isinf(column).any(), name
    for name in ("ic", "model_correlation", "fnc", "ensemble_correlation"):
        known = found[name][~np.isnan(found[name])]
        assert (np.abs(known) <= 1).all(), name
    drops = found["max_drawdown"]
    assert (drops[~np.isnan(drops)] <= 0).all()


@given(st.data(), SHAPES)
def test_the_order_of_the_models_does_not_matter(data, shape):
    signals = data.draw(arrays.arrays(float, shape, elements=TAME))
    actuals = data.draw(arrays.arrays(float, shape[1], elements=TAME))
    order = data.draw(st.permutations(range(shape[0])))
    weights = np.array([0.7, 0.1, 0.2, 0.3, 0.6][: shape[0]])
    straight = computed(signals.tolist(), actuals.tolist(), weights.tolist())
    turned = computed(
        signals[order].tolist(), actuals.tolist(), weights[order].tolist()
    )
    for name in ALL:
        np.testing.assert_allclose(
            straight[name][order], turned[name], atol=1e-9, err_msg=name
        )
