from decimal import Decimal

import pytest

from competitions.trading.book import Mark, Order, play
from competitions.trading.signals import ordered_size
from competitions.trading.trading_rules import TradingRules

FREE = TradingRules(
    trading_fee_pct=Decimal(0),
    spread_pct=Decimal(0),
    carry_annual_pct=Decimal(0),
    signal_mode="order",
)


def buy(at, amount, *, who="m", action="buy", subject="BTC"):
    return Order(at, who, subject, {"action": action, "amount": amount})


def test_an_order_is_filled_at_the_newest_price_that_was_closed():
    accounts, prices = {}, {"BTC": Decimal(100)}
    marks = [Mark(10, "BTC", Decimal(110)), Mark(20, "BTC", Decimal(121))]
    refused = play(
        accounts,
        rules=FREE,
        marks=marks,
        orders=[buy(5, 10), buy(10, 11, who="late")],
        prices=prices,
    )
    assert refused == []
    assert accounts["m"].net == Decimal("2.1")
    assert accounts["late"].net == Decimal("1.1")
    assert prices == {"BTC": Decimal(121)}


def test_one_bad_answer_costs_only_its_own_order():
    accounts = {}
    orders = [buy(1, 1, who="a", action="hold"), buy(1, 1, who="b"), buy(1, -1)]
    refused = play(
        accounts, rules=FREE, marks=[], orders=orders, prices={"BTC": Decimal(1)}
    )
    assert [text[:16] for text in refused] == ["a: Order mode re", "m: Order mode re"]
    assert accounts["b"].held("BTC") == 1
    assert accounts["a"].positions == {}


def test_an_order_before_the_first_price_is_refused():
    refused = play({}, rules=FREE, marks=[], orders=[buy(1, 1)], prices={})
    assert refused == ["m: BTC has no price yet"]


def test_playing_in_two_goes_is_playing_in_one():
    marks = [Mark(t, "BTC", Decimal(100 + t * t % 7)) for t in range(1, 20)]
    orders = [buy(t, t, action="buy" if t % 3 else "sell") for t in range(0, 20, 2)]
    whole, parts = {}, {}
    play(whole, rules=FREE, marks=marks, orders=orders, prices={"BTC": Decimal(100)})
    prices = {"BTC": Decimal(100)}
    for chosen in (lambda e: e.at_us < 9, lambda e: e.at_us >= 9):
        play(
            parts,
            rules=FREE,
            marks=filter(chosen, marks),
            orders=filter(chosen, orders),
            prices=prices,
        )
    assert parts == whole


@pytest.mark.parametrize(
    ("mode", "output", "held", "size"),
    [
        ("order", {"action": "buy", "amount": 2}, 5, 2),
        ("order", {"action": "sell", "amount": 0.5}, 0, Decimal("-0.5")),
        ("delta", {"direction": "short", "leverage": 3}, 1, -3),
        ("target", {"signal": 7}, 5, 2),
        ("target", {"signal": -7}, 5, -12),
        ("target", {"signal": 0}, 5, -5),
    ],
)
def test_a_mode_says_what_an_answer_orders(mode, output, held, size):
    assert ordered_size(mode, output, Decimal(held)) == size


@pytest.mark.parametrize(
    ("mode", "output", "message"),
    [
        ("order", {"action": "buy"}, "Order mode requires amount"),
        ("order", {"amount": 1}, "Order mode requires action and amount"),
        ("delta", {"direction": "up", "leverage": 1}, "Delta mode requires direction"),
        ("target", {"signal": "x"}, "Target mode requires signal"),
        ("target", {"signal": True}, "Target mode requires signal"),
        ("target", {"signal": float("nan")}, "Target mode requires signal"),
    ],
)
def test_an_answer_of_another_mode_is_refused(mode, output, message):
    with pytest.raises(ValueError, match=message):
        ordered_size(mode, output, Decimal(0))
