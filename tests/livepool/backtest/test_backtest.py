"""The simulator against worked figures, and the backtest as a whole."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livepool.backtest import backtest, equity_charts, simulator
from livepool.backtest.simulator import SimulationError
from livepool.model import parameters
from livepool.model.pipeline import BuildError

C = 0.0015


def flat(days=3, size=2):
    return np.full((days, size), 100.0)


def follow(opens, targets, cost=C):
    weights = {day: np.array(values, dtype=float) for day, values in targets.items()}
    return simulator.simulate(opens, weights, cost)


def test_full_entry_pays_once():
    path = follow(flat(), {0: [1, 0]})
    assert path.returns.tolist() == pytest.approx([1 / (1 + C) - 1, 0, 0])
    assert path.turnover[0] == pytest.approx(1 / (1 + C) / 2)


def test_full_replacement_and_halving_cost_what_they_must():
    replaced = follow(flat(), {0: [1, 0], 1: [0, 1]})
    assert replaced.returns[1] == pytest.approx((1 - C) / (1 + C) - 1)
    halved = follow(flat(), {0: [1, 0], 1: [0.5, 0]})
    assert halved.returns[1] == pytest.approx((1 - C) / (1 - C / 2) - 1)


def test_shares_drift_until_the_next_trade():
    opens = np.array([[100.0, 100.0], [200.0, 100.0], [200.0, 50.0]])
    path = follow(opens, {0: [0.5, 0.5]}, cost=0.0)
    assert path.returns.tolist() == pytest.approx([0.5, -0.25 / 1.5, 0])
    assert path.weights[1].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert path.equity.tolist() == pytest.approx([1.5, 1.25, 1.25])
    assert path.drawdown.tolist() == pytest.approx([0, 1.25 / 1.5 - 1, 1.25 / 1.5 - 1])


def test_the_start_counts_for_the_drawdown():
    path = follow(flat(2, 1), {0: [1]})
    assert path.drawdown[0] == pytest.approx(1 / (1 + C) - 1)


@pytest.mark.parametrize(
    ("opens", "targets", "cost", "message"),
    [
        (flat(), {0: [1, 1]}, C, "over 1"),
        (flat(), {0: [-1, 0]}, C, "not negative"),
        (flat(), {}, 1.0, "cost rate"),
        (np.array([[100.0], [np.nan]]), {0: [1]}, C, "no open on row 1"),
        (np.array([[0.0]]), {0: [1]}, C, "no open on row 0"),
    ],
)
def test_what_cannot_be_simulated_is_refused(opens, targets, cost, message):
    with pytest.raises(SimulationError, match=message):
        follow(opens, targets, cost)


@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
    st.floats(0, 0.05),
)
def test_a_trade_conserves_value_less_fees(old, new, cost):
    old = np.array(old) / max(1.0, sum(old))
    new = np.array(new) / max(1.0, sum(new))
    cash = max(0.0, 1 - old.sum())
    after = simulator.value_after_fees(old, cash, new, cost)
    total = cash + old.sum()
    fees = cost * np.abs(new * after - old).sum()
    assert after + fees == pytest.approx(total)
    assert after <= total + 1e-12


def test_metrics_are_the_textbook_ones():
    opens = np.array([[100.0], [110.0], [99.0]])
    found = simulator.metrics(follow(opens, {0: [1]}, cost=0.0))
    returns = np.array([0.1, -0.1, 0.0])
    assert found["CAGR"] == pytest.approx(0.99 ** (365 / 3) - 1)
    assert found["Annualized Volatility"] == pytest.approx(returns.std() * 365**0.5)
    assert found["Max Drawdown"] == pytest.approx(-0.1)
    assert found["Win Rate"] == pytest.approx(1 / 3)
    assert found["Sortino"] == pytest.approx(0, abs=1e-9)


def test_weeks_end_on_sunday_and_the_first_date_counts():
    days = [date(2026, 3, 4) + timedelta(days=n) for n in range(8)]  # from a Wednesday
    assert backtest.rebalance_dates(days) == [days[0], date(2026, 3, 8), days[-1]]


def test_selection_weighs_by_inverse_volatility():
    rows = pl.DataFrame(
        {
            "symbol": ["A", "B", "C", "D", "E"],
            "final_score": [0.9, 0.8, 0.7, 0.6, None],
            "vol20": [None, 0.5, 0.01, 1.0, 0.5],
        }
    )
    weights = backtest.select(rows, "final_score", parameters.BacktestConfig())
    assert weights == pytest.approx({"B": 2 / 23, "C": 20 / 23, "D": 1 / 23})
    assert (
        backtest.select(rows.head(1), "final_score", parameters.BacktestConfig()) == {}
    )


def test_all_strategies_cover_the_same_days(panel):
    done = backtest.run(panel)
    assert set(done.paths) == {*backtest.SCORES, "universe_equal", "hold_btc"}
    summary = done.summary()
    assert summary.columns == ["strategy", *simulator.METRICS]
    assert {len(p.returns) for p in done.paths.values()} == {len(done.dates)}
    btc = panel.rows.filter(pl.col("symbol") == "BTCUSDT").sort("date")
    opens = dict(btc.select("date", "open").iter_rows())
    assert done.paths["hold_btc"].equity[-1] == pytest.approx(
        opens[done.dates[-1]] / opens[done.dates[0]] / (1 + C)
    )
    assert done.equity().height == len(done.dates)


def test_too_little_history_is_refused(panel):
    from dataclasses import replace

    models = replace(panel.config.models, min_train_rows=10**9)
    with pytest.raises(BuildError, match="no week has scores"):
        backtest.run(replace(panel, config=replace(panel.config, models=models)))


def test_charts_are_whole_documents_and_escape_names():
    svg = equity_charts.lines({"<a>": [1, 2]}, ["x", "y"], title="t & u")
    assert svg.startswith("<svg")
    assert svg.endswith("</svg>")
    assert "<a>" not in svg.replace("&lt;a&gt;", "")
    assert "t &amp; u" in svg
    assert equity_charts.lines({}, [], title="none") == ""
    assert "0.50" in equity_charts.bars([("TRX", 0.5, True)], title="b")
