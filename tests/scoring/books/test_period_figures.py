from decimal import Decimal

import numpy as np

from competitions.trading.account import Account
from competitions.trading.stretch_figures import figures_of
from competitions.trading.trading_rules import TradingRules
from scoring.books.period_figures import apply_books
from scoring.metrics.parts import PLACES, WIDTH, merge_all


def account():
    free = dict.fromkeys(("trading_fee_pct", "spread_pct", "carry_annual_pct"), 0)
    rules = TradingRules(**{name: Decimal(value) for name, value in free.items()})
    return Account(rules)


def marked(made, *prices, start=0):
    for at, price in enumerate(prices, start):
        made.mark("BTC", Decimal(price), at * 1_000_000)
        made.sample()


def test_exposure_is_the_mean_size_held_over_the_time():
    made = account()
    made.order("BTC", Decimal(-100), Decimal(10), 0)
    marked(made, 10, 10)
    assert figures_of(made, 4_000_000).summary["exposure"] == 25


def test_the_drawdowns_of_two_periods_merge_into_that_of_both():
    made = account()
    made.order("BTC", Decimal(100), Decimal(100), 0)
    marked(made, 120, 110)
    first = np.zeros((1, WIDTH))
    apply_books([figures_of(made, 1)], first, value_field="value")
    made.begin_stretch()
    marked(made, 95, 130, start=2)
    second = np.zeros((1, WIDTH))
    apply_books([figures_of(made, 1)], second, value_field="value")
    merged = merge_all(first, second)[0, PLACES["max_drawdown"]]
    assert merged.tolist() == [4, 30, 30, -5, -25]


def test_a_model_without_an_account_is_unknown_and_not_at_zero():
    parts = np.ones((1, WIDTH))
    columns = apply_books([None], parts, value_field="value")
    assert all(np.isnan(column).all() for column in columns.values())
