"""What an order costs, and how large a position may become."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

SignalMode = Literal["order", "delta", "target"]

YEAR_US = 365 * 86_400 * 1_000_000


@dataclass(frozen=True)
class TradingRules:
    """The rules of a book. Sizes and fees are in the money of the account.

    `signal_mode` says what models answer (see `signals.py`). `trading_fee_pct` and
    `spread_pct` are fractions of a filled size, `carry_annual_pct` of a size held for
    365 days. Raises ValueError for a rule that no book can follow.
    """

    signal_mode: SignalMode = "order"
    max_position_size: Decimal = Decimal(1_000_000)
    max_portfolio_size: Decimal = Decimal(1_000_000)
    trading_fee_pct: Decimal = Decimal("0.001")
    spread_pct: Decimal = Decimal("0.0001")
    carry_annual_pct: Decimal = Decimal("0.1095")

    def __post_init__(self) -> None:
        costs = (self.trading_fee_pct, self.spread_pct, self.carry_annual_pct)
        if any(cost < 0 for cost in costs):
            raise ValueError("fee, spread and carry were below 0; they are costs")
        if not 0 < self.max_position_size <= self.max_portfolio_size:
            raise ValueError(
                f"max_position_size was {self.max_position_size} and max_portfolio_size"
                f" {self.max_portfolio_size}; give 0 < position <= portfolio"
            )

    def order_cost(self, size: Decimal) -> Decimal:
        """Return fee and spread of filling a size."""
        return (self.trading_fee_pct + self.spread_pct) * abs(size)

    def carry_cost(self, size: Decimal, elapsed_us: int) -> Decimal:
        """Return what holding a size costs for some microseconds."""
        return self.carry_annual_pct * abs(size) * elapsed_us / YEAR_US
