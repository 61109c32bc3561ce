"""The figures are those that the engine's own vectors give, and the truth by hand."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from competitions.trading.account import Account, Position, from_state, to_state
from competitions.trading.trading_rules import TradingRules

DAY_US = 86_400_000_000
FREE = {
    "trading_fee_pct": Decimal(0),
    "spread_pct": Decimal(0),
    "carry_annual_pct": Decimal(0),
}


def account(**rules):
    return Account(
        TradingRules(
            **{
                "max_position_size": Decimal(10),
                "max_portfolio_size": Decimal(20),
                **rules,
            }
        )
    )


def test_fee_and_spread_are_charged_on_what_is_filled():
    made = account()
    assert made.order("BTC", Decimal(12), Decimal(100), 0) == 10
    assert made.fees == Decimal("0.011")
    assert made.net == Decimal("-0.011")


def test_the_carry_of_a_day_of_size_one():
    made = account()
    made.order("BTC", Decimal(1), Decimal(100), 0)
    made.mark("BTC", Decimal(100), DAY_US)
    assert made.carry == Decimal("0.0003")


def test_a_restart_charges_no_carry_twice():
    made = account()
    made.order("BTC", Decimal(10), Decimal(100), 0)
    made.mark("BTC", Decimal(100), 30 * DAY_US)
    again = from_state(json.loads(json.dumps(to_state(made))), made.rules)
    again.mark("BTC", Decimal(100), 30 * DAY_US)
    assert again.carry == made.carry == Decimal("0.09")
    assert again == made


def test_two_buys_are_worth_what_their_units_are():
    made = account(**FREE)
    made.order("BTC", Decimal(5), Decimal(100), 0)
    made.order("BTC", Decimal(5), Decimal(200), 0)
    assert made.unrealized == 5  # the mean of the prices would give 3.33


def test_a_short_earns_as_the_price_falls():
    made = account(**FREE)
    made.order("BTC", Decimal(-4), Decimal(100), 0)
    made.mark("BTC", Decimal(75), 1)
    assert made.unrealized == 1


def test_an_order_against_a_position_closes_it_pro_rata():
    made = account(**FREE)
    made.order("BTC", Decimal(8), Decimal(100), 0)
    assert made.order("BTC", Decimal(-2), Decimal(110), 1) == -2
    assert (made.realized, made.held("BTC")) == (Decimal("0.2"), 6)
    assert made.unrealized == Decimal("0.6")
    made.order("BTC", Decimal(-6), Decimal(90), 2)
    assert (made.realized, made.positions) == (Decimal("-0.4"), {})
    assert (made.stretch.trades, made.stretch.wins) == (2, 1)


def test_a_flip_closes_all_and_opens_the_rest_at_the_price():
    made = account(**FREE)
    made.order("BTC", Decimal(10), Decimal(100), 0)
    assert made.order("BTC", Decimal(-15), Decimal(120), 1) == -15
    assert made.realized == 2
    assert made.positions["BTC"] == Position(Decimal(-5), Decimal(120), Decimal(120), 1)


def test_position_and_portfolio_have_limits_each():
    made = account(**FREE)
    assert made.order("BTC", Decimal(6), Decimal(1), 0) == 6
    assert made.order("BTC", Decimal(6), Decimal(1), 0) == 4
    assert made.order("ETH", Decimal(-30), Decimal(1), 0) == -10
    assert made.order("SOL", Decimal(1), Decimal(1), 0) == 0
    assert made.order("BTC", Decimal(-40), Decimal(1), 0) == -20


@pytest.mark.parametrize("price", [Decimal(0), Decimal(-1)])
def test_no_order_is_filled_without_a_price(price):
    with pytest.raises(ValueError, match="above 0"):
        account().order("BTC", Decimal(1), price, 0)
    with pytest.raises(ValueError, match="entry price was 0"):
        _ = Position(Decimal(1), Decimal(0), Decimal(1), 0).unrealized


def test_the_stretch_knows_its_peak_and_its_deepest_fall():
    made = account(**FREE)
    made.order("BTC", Decimal(10), Decimal(100), 0)
    for at, price in enumerate([110, 90, 120, 100], 1):
        made.mark("BTC", Decimal(price), at)
        made.sample()
    found = made.stretch
    assert (found.peak, found.trough, found.deepest, found.marks) == (2, -1, -2, 4)
    made.begin_stretch()
    made.mark("BTC", Decimal(105), 9)
    made.sample()
    assert (made.stretch.peak, made.stretch.opening) == (Decimal("0.5"), 0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["BTC", "ETH"]),
        st.decimals(-30, 30, places=2),
        st.decimals(1, 500, places=2),
    ),
    max_size=12,
)


@given(STEPS)
def test_no_order_breaks_a_limit_and_a_restart_changes_nothing(steps):
    kept, restarted = account(), account()
    for at, (subject, size, price) in enumerate(steps):
        for each in (kept, restarted):
            each.order(subject, size, price, at)
        restarted = from_state(to_state(restarted), restarted.rules)
        assert all(abs(p.size) <= 10 for p in kept.positions.values())
        assert kept.gross_size <= 20
        assert restarted == kept
    assert kept.stretch.fees == kept.fees


@pytest.mark.parametrize(
    "rules",
    [
        {"spread_pct": Decimal(-1)},
        {"max_position_size": Decimal(0)},
        {"max_position_size": Decimal(21)},
    ],
)
def test_rules_that_no_book_can_follow_are_refused(rules):
    with pytest.raises(ValueError, match=r"were|was"):
        account(**rules)
