"""A trading competition is made from its pack alone; an answer is one of its mode."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from competitions import lifecycle
from competitions.packs.trading import trading_contract
from competitions.packs.trading.trading_contract import (
    MarketOrder,
    PositionDelta,
    PositionTarget,
)
from competitions.trading.trading_rules import TradingRules
from competitions.wiring import wiring_of


def test_the_pack_brings_its_contract(db):
    made = lifecycle.create_competition(slug="desk", pack_name="trading")
    config = wiring_of(made).config
    assert config is trading_contract.CONTRACT
    assert config.trading.signal_mode == "order"
    assert made.feed_granularity == "1s"


@pytest.mark.parametrize(
    ("kind", "answer", "value"),
    [
        (MarketOrder, {"action": "sell", "amount": 2.5}, -2.5),
        (MarketOrder, {"action": "buy", "amount": 0}, 0),
        (PositionDelta, {"direction": "long", "leverage": 2}, 2),
        (PositionTarget, {"signal": -3}, -3),
    ],
)
def test_an_answer_knows_its_signed_size(kind, answer, value):
    assert kind.model_validate(answer).value == value


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (MarketOrder, {"action": "hold", "amount": 1}),
        (MarketOrder, {"action": "buy", "amount": -1}),
        (MarketOrder, {"action": "buy", "amount": 1e13}),
        (PositionDelta, {"direction": "long"}),
        (PositionTarget, {"signal": float("inf")}),
    ],
)
def test_an_answer_of_another_shape_is_refused(kind, answer):
    with pytest.raises(ValidationError):
        kind.model_validate(answer)


def test_a_contract_of_ones_own_has_the_mode_of_its_answers():
    rules = TradingRules(max_position_size=Decimal(10))
    found = trading_contract.contract_of(PositionTarget, rules).trading
    assert (found.signal_mode, found.max_position_size) == ("target", 10)
