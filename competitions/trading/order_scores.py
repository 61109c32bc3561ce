"""The score of one order alone: its profit if it is held to the end of its round."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from .trading_rules import TradingRules


def order_scorer(rules: TradingRules) -> Callable[[Any, Any], dict[str, Any]]:
    """Return the scorer of orders by these rules; `prediction.value` is the size."""

    def score_order(prediction: Any, ground_truth: Any) -> dict[str, Any]:
        """Return the order's profit, less fee and spread, in the account's money."""
        if ground_truth.actual_return is None:
            return {"success": False, "failed_reason": "the truth has no return"}
        cost = float(rules.order_cost(Decimal(repr(prediction.value))))
        return {
            "value": prediction.value * ground_truth.actual_return - cost,
            "actual_return": ground_truth.actual_return,
        }

    return score_order
