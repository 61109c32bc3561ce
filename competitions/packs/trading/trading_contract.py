"""The contract of a trading competition, for each of the three modes.

A model's answer is an order; its score is the profit of that order alone, held to the
end of its round. What ranks models is the net profit of their accounts
(scoring/books), which each snapshot holds as its value.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field, model_validator

from competitions.contract import CrunchConfig, ScoreResult
from competitions.trading.order_scores import order_scorer
from competitions.trading.signals import ordered_size
from competitions.trading.trading_rules import SignalMode, TradingRules

LARGEST_SIZE = 1e12


class _Answer(BaseModel):
    """An answer of one mode, with `value`: its signed size."""

    value: float = 0.0

    @model_validator(mode="after")
    def _sign(self) -> "_Answer":
        self.value = float(ordered_size(self.mode(), self.model_dump(), Decimal(0)))
        return self

    @classmethod
    def mode(cls) -> SignalMode:
        raise NotImplementedError


class MarketOrder(_Answer):
    """Buy or sell an amount of money."""

    action: Literal["buy", "sell"]
    amount: float = Field(ge=0, le=LARGEST_SIZE, allow_inf_nan=False)

    @classmethod
    def mode(cls) -> SignalMode:
        return "order"


class PositionDelta(_Answer):
    """Add `leverage` to a long or a short position."""

    direction: Literal["long", "short"]
    leverage: float = Field(ge=0, le=LARGEST_SIZE, allow_inf_nan=False)

    @classmethod
    def mode(cls) -> SignalMode:
        return "delta"


class PositionTarget(_Answer):
    """Hold the signed size `signal`; 0 holds nothing."""

    signal: float = Field(ge=-LARGEST_SIZE, le=LARGEST_SIZE, allow_inf_nan=False)

    @classmethod
    def mode(cls) -> SignalMode:
        return "target"


class TradingScore(ScoreResult):
    """The profit of one order alone; the other figures are an account's, of a period.

    `net_pnl` = realized + unrealized - fees - carry, as they changed in the period.
    `traded` is the sum of filled sizes, `exposure` the mean size held.
    """

    net_pnl: float | None = None
    realized_pnl: float | None = None
    unrealized_pnl: float | None = None
    fees: float | None = None
    carry: float | None = None
    traded: float | None = None
    exposure: float | None = None


def contract_of(
    output_type: type[_Answer], rules: TradingRules | None = None
) -> CrunchConfig:
    """Return the contract of a competition whose models answer with `output_type`.

    The mode is that of the type, whatever the rules say.
    """
    rules = replace(rules or TradingRules(), signal_mode=output_type.mode())
    return CrunchConfig(
        output_type=output_type,
        score_type=TradingScore,
        scoring_function=order_scorer(rules),
        metrics=("max_drawdown", "ic", "hit_rate"),
        trading=rules,
    )


CONTRACT = contract_of(MarketOrder)
DELTA = contract_of(PositionDelta)
TARGET = contract_of(PositionTarget)
