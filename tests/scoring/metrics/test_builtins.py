"""Hand-computed cases, and scipy as the second opinion."""

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import stats

from scoring.metrics import Ensemble, MetricsContext, default_registry
from scoring.metrics.ranks import rank_last, spearman_last

NAN = np.nan
AT = datetime(2026, 3, 2, tzinfo=UTC)
ALL = default_registry().available()


def context(signals, actuals=None, scores=None, scopes=None, ensembles=()):
    """`signals` and `scores`: one list per model."""
    signals = np.array(signals, dtype=float).T
    rounds, models = signals.shape
    return MetricsContext(
        model_ids=tuple(f"m{i}" for i in range(models)),
        signals=signals,
        scores=signals if scores is None else np.array(scores, dtype=float).T,
        actuals=np.array(np.zeros(rounds) if actuals is None else actuals, dtype=float),
        scopes=np.array([0] * rounds if scopes is None else scopes),
        window_start=AT,
        window_end=AT,
        ensembles=tuple(ensembles),
    )


def metric(name, *args, **kwargs):
    column = default_registry().compute([name], context(*args, **kwargs))[name]
    return [None if np.isnan(x) else float(x) for x in column]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("ic", {"signals": [[1, 2, 3]], "actuals": [1, 2, 3]}, [1.0]),
        ("ic", {"signals": [[3, 2, 1]], "actuals": [1, 2, 3]}, [-1.0]),
        # A constant model has no skill, not a perfect one.
        ("ic", {"signals": [[5, 5, 5]], "actuals": [1, 2, 3]}, [None]),
        ("ic", {"signals": [[1, 2, 3]], "actuals": [0, 0, 0]}, [None]),
        ("ic", {"signals": [[1]], "actuals": [1]}, [None]),
        # Ranks 1.5 1.5 3 against 1 2 3: 1.5 / sqrt(1.5 * 2).
        ("ic", {"signals": [[1, 1, 2]], "actuals": [1, 2, 3]},
         [pytest.approx(0.75**0.5)]),
        # The unanswered round is left out, it does not shift the others.
        ("ic", {"signals": [[1, NAN, 2, 3]], "actuals": [1, 9, 2, 3]}, [1.0]),
        ("ic", {"signals": [[1, 7, 2, 3]], "actuals": [1, NAN, 2, 3]}, [1.0]),
        ("hit_rate", {"signals": [[1, -1, 0, 2]], "actuals": [1, 1, 0, 3]}, [0.75]),
        ("hit_rate", {"signals": [[NAN, NAN]], "actuals": [1, 2]}, [None]),
        # A round without a truth is none.
        ("hit_rate", {"signals": [[1, 1]], "actuals": [1, NAN]}, [1.0]),
        ("mean_return", {"signals": [[1, 1]], "actuals": [0.5, NAN]}, [0.5]),
        ("mean_return", {"signals": [[2, -3, 0]], "actuals": [0.1, 0.2, 0.5]},
         [pytest.approx(-0.1 / 3)]),
        ("max_drawdown", {"signals": [[1, 1, -3, 0.5]]}, [-3.0]),
        ("max_drawdown", {"signals": [[-1, -1, 4]]}, [-2.0]),
        ("max_drawdown", {"signals": [[1, 2, 3]]}, [0.0]),
        ("max_drawdown", {"signals": [[1, NAN, NAN]]}, [None]),
        ("turnover", {"signals": [[1, 2, 0]]}, [1.5]),
        ("turnover", {"signals": [[1, NAN, 4]]}, [3.0]),
        ("turnover", {"signals": [[1]]}, [None]),
        # Two scopes asked in turn: changes are within a scope.
        ("turnover", {"signals": [[1, 100, 2, 101]], "scopes": [0, 1, 0, 1]}, [1.0]),
        # Returns 3, -4: mean -0.5, downside 4.
        ("sortino_ratio", {"signals": [[1, 1]], "actuals": [3, -4]}, [-0.125]),
        # Gains without a loss are the best there is.
        ("sortino_ratio", {"signals": [[1, 1]], "actuals": [3, 4]}, [10.0]),
        ("sortino_ratio", {"signals": [[0, 0]], "actuals": [3, 4]}, [None]),
        ("model_correlation", {"signals": [[1, 2, 3], [3, 2, 1], [1, 2, 3]]},
         [0.0, -1.0, 0.0]),
        ("model_correlation", {"signals": [[1, 2, 3]]}, [None]),
        # The mean of both is 2 in every round, so what is left is the signal itself.
        ("fnc", {"signals": [[1, 2, 3], [3, 2, 1]], "actuals": [1, 2, 3]}, [1.0, -1.0]),
        ("fnc", {"signals": [[1, 2, 3]], "actuals": [1, 2, 3]}, [1.0]),
        ("contribution", {"signals": [[1, 2, 3]], "actuals": [1, 2, 3]}, [None]),
    ],
)  # fmt: skip
def test_hand_computed(name, arguments, expected):
    assert metric(name, **arguments) == expected


def test_ic_sharpe_has_the_sign_of_the_skill():
    # n = 6: three chunks of two, whose ICs are +1, +1, -1: mean 1/3, std sqrt(8/9).
    actuals = [1, 2, 1, 2, 1, 2]
    good, bad = [1, 2, 1, 2, 2, 1], [2, 1, 2, 1, 1, 2]
    sharpe = (1 / 3) / (8 / 9) ** 0.5
    assert metric("ic_sharpe", [good, bad], actuals) == [
        pytest.approx(sharpe),
        pytest.approx(-sharpe),
    ]


def test_ic_sharpe_without_variation_is_the_best_or_the_worst():
    signals = [[1, 2, 1, 2, 1, 2], [2, 1, 2, 1, 2, 1], [1, 1, 1, 1, 1, 1]]
    assert metric("ic_sharpe", signals, [1, 2, 1, 2, 1, 2]) == [10.0, -10.0, None]


def test_a_perfect_model_of_twenty_rounds_is_not_beaten():
    steps = list(range(1, 21))
    nearly = [*steps[:-2], 20, 19]
    perfect, close = metric("ic_sharpe", [steps, nearly], steps)
    assert perfect == 10.0
    assert 1 < close <= perfect


def test_contribution_leaves_one_out_with_the_ensembles_weights():
    rng = np.random.default_rng(3)
    signals = rng.normal(size=(3, 40))
    actuals = signals[0] + rng.normal(size=40)
    weights = np.array([0.5, 0.3, 0.2])
    blend = weights @ signals
    found = metric(
        "contribution", signals, actuals, ensembles=[Ensemble("e", blend, weights)]
    )
    whole = stats.spearmanr(blend, actuals).statistic
    for i in range(3):
        others = [j for j in range(3) if j != i]
        rest = weights[others] @ signals[others] / weights[others].sum()
        expected = whole - stats.spearmanr(rest, actuals).statistic
        assert found[i] == pytest.approx(expected)


def test_the_contribution_of_a_model_that_said_nothing_is_unknown():
    blend = Ensemble("e", np.array([1.0, 2, 3]), np.array([0.5, 0.5, 0.0]))
    signals = [[1, 2, 3], [np.nan] * 3, [3, 1, 2]]
    found = metric("contribution", signals, [1, 2, 3], ensembles=[blend])
    assert found == [None, None, 0.0]


def test_ensemble_correlation():
    blend = Ensemble("e", np.array([1.0, 2, 3]), np.array([1.0, 0.0]))
    assert metric(
        "ensemble_correlation", [[1, 2, 3], [3, 2, 1]], ensembles=[blend]
    ) == [
        1.0,
        -1.0,
    ]


@pytest.fixture
def market():
    """Twenty models with ties and gaps over 200 rounds."""
    rng = np.random.default_rng(11)
    actuals = rng.normal(size=200).round(1)
    signals = (rng.normal(size=(20, 200)) + 0.3 * actuals).round(1)
    signals[rng.random(signals.shape) < 0.1] = NAN
    signals[0] = 1.0
    signals[1] = NAN
    return signals, actuals


def test_ic_agrees_with_scipy(market):
    signals, actuals = market
    found = metric("ic", signals, actuals)
    assert found[:2] == [None, None]
    for column, got in zip(signals[2:], found[2:], strict=True):
        known = ~np.isnan(column)
        expected = stats.spearmanr(column[known], actuals[known]).statistic
        assert got == pytest.approx(expected, abs=1e-12)


def test_model_correlation_agrees_with_scipy_where_nothing_is_missing():
    rng = np.random.default_rng(5)
    signals = rng.normal(size=(6, 80)).round(1)
    rho = stats.spearmanr(signals.T).statistic
    expected = (rho.sum(axis=1) - 1) / 5
    assert metric("model_correlation", signals) == pytest.approx(list(expected))


def test_model_correlation_of_gapped_models_ranks_the_rounds_of_both(market):
    signals, _ = market
    rows = np.array(signals)
    found = metric("model_correlation", signals)
    for i in range(2, 6):
        pairs = []
        for j in range(2, 20):
            both = ~(np.isnan(rows[i]) | np.isnan(rows[j]))
            if i != j:
                pairs.append(stats.spearmanr(rows[i][both], rows[j][both])[0])
        assert found[i] == pytest.approx(np.mean(pairs), abs=1e-9)


def test_ranks_agree_with_scipy():
    rng = np.random.default_rng(2)
    values = rng.integers(0, 9, size=(5, 50)).astype(float)
    assert (rank_last(values) == stats.rankdata(values, axis=1)).all()


def test_spearman_is_symmetric_and_bounded(market):
    signals, actuals = market
    forth = spearman_last(np.array(signals), actuals)
    back = spearman_last(np.broadcast_to(actuals, signals.shape), np.array(signals))
    np.testing.assert_allclose(forth, back, atol=1e-12)
    assert np.nanmax(np.abs(forth)) <= 1.0


@pytest.mark.parametrize("shape", [(0, 0), (1, 0), (0, 3), (1, 1), (3, 1), (2, 2)])
@pytest.mark.parametrize("fill", [0.0, NAN, 1e300])
def test_every_metric_is_finite_or_unknown_for_any_shape(shape, fill):
    signals = np.full(shape, fill)
    given = context(signals.reshape(shape), actuals=np.full(shape[1], fill))
    given = context(
        signals.reshape(shape),
        actuals=np.full(shape[1], fill),
        ensembles=[Ensemble("e", np.full(shape[1], fill), np.ones(shape[0]))],
    )
    with np.errstate(all="ignore"):
        columns = default_registry().compute(ALL, given)
    assert sorted(columns) == ALL
    for column in columns.values():
        assert column.shape == (shape[0],)
        assert not np.isinf(column).any()


def test_of_several_ensembles_metrics_compare_with_the_first():
    steps = [1.0, 2.0, 3.0]
    first = Ensemble("first", np.array(steps), np.array([1.0]))
    second = Ensemble("second", np.array(steps[::-1]), np.array([1.0]))
    blends = {"signals": [steps], "actuals": steps, "ensembles": (first, second)}
    assert metric("ensemble_correlation", **blends) == [1.0]


# 0.3 in two ways that differ in the last digit, and what is smaller than both.
NOISY = [0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2]
STEPS = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize("size", [1.0, 1e-9, 1e9])
def test_a_series_that_is_constant_but_for_rounding_correlates_with_nothing(size):
    noisy = [size * x for x in NOISY]
    blend = Ensemble("all", np.array(noisy), np.array([0.5, 0.5]))
    for name in ("ic", "ic_sharpe", "model_correlation"):
        assert metric(name, [noisy, STEPS], STEPS)[0] is None
    assert metric("ic", [STEPS], noisy) == [None]
    for gap in ([], [0], [5]):
        gapped = [NAN if i in gap else x for i, x in enumerate(noisy)]
        assert metric("model_correlation", [gapped, STEPS, STEPS]) == [None, 1.0, 1.0]
        gapped = [NAN if i in gap else x for i, x in enumerate(STEPS)]
        assert metric("model_correlation", [gapped, noisy]) == [None, None]
    compared = {"signals": [STEPS, STEPS], "actuals": STEPS, "ensembles": [blend]}
    assert metric("ensemble_correlation", **compared) == [None, None]
    assert metric("contribution", **compared) == [None, None]


def test_noise_breaks_no_tie_beside_real_differences():
    signals = [0.3, 0.1 + 0.2, 0.5, 0.7]
    assert rank_last(np.array(signals)).tolist() == [1.5, 1.5, 3.0, 4.0]
    assert rank_last(np.array([NAN, *signals])).tolist()[1:] == [1.5, 1.5, 3.0, 4.0]


@pytest.mark.parametrize("size", [1e-14, 1.0, 1e9])
def test_a_ratio_does_not_depend_on_the_unit_of_returns(size):
    signals = [[1, 1, 1, 1], [1, -1, 1, 1], [-1, -1, -1, -1]]
    actuals = [size * x for x in (1, 2, 1, 3)]
    assert metric("sortino_ratio", signals, actuals) == [
        *(10.0, pytest.approx(0.375), pytest.approx(-1.75 / (15 / 4) ** 0.5))
    ]
