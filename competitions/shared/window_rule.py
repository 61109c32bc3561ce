"""How a window, and a period that is paid, sum up the snapshots in them.

A score is worth as much as any other, so figures of scores are means weighted by their
numbers. What an account gained or spent in a period is money: it is added up, whether
the model answered often, seldom or not at all.
"""

import math
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum

# Of a trading account in a period: what was gained, spent or done in it, ...
AMOUNTS = frozenset(
    ("net_pnl", "realized_pnl", "fees", "carry", "traded", "trades", "wins")
)
# ... and how it stood, at the end or on average.
LEVELS = frozenset(("unrealized_pnl", "exposure", "equity", "open_positions"))


class Summing(Enum):
    """What becomes of a figure's snapshots: their total, or one of two means."""

    TOTAL = "total"
    MEAN_OF_PERIODS = "mean of periods"
    MEAN_OF_SCORES = "mean of scores"


def summing_of(name: str, *, value_field: str, trades: bool) -> Summing:
    """Return how a figure is summed up; `trades` tells of a trading competition."""
    if trades and (name == value_field or name in AMOUNTS):
        return Summing.TOTAL
    if trades and name in LEVELS:
        return Summing.MEAN_OF_PERIODS
    return Summing.MEAN_OF_SCORES


def summed_up(
    snapshots: Iterable[tuple[float | None, int]], summing: Summing
) -> float | None:
    """Return the figure of snapshots, each a value and the number of its scores.

    What is unknown has no weight; None when nothing is known.
    """
    known = [(value, count) for value, count in snapshots if value is not None]
    if summing is Summing.TOTAL and known:
        return total_of(value for value, _ in known)
    is_by_scores = summing is Summing.MEAN_OF_SCORES
    weights = [count if is_by_scores else 1 for _, count in known]
    pairs = zip(known, weights, strict=True)
    total = math.fsum(value * weight for (value, _), weight in pairs)
    return total / sum(weights) if sum(weights) else None


def total_of(amounts: Iterable[float]) -> float:
    """Return a sum of money, exact in decimals: 0.1 + 0.2 - 0.3 is 0."""
    return float(sum(map(Decimal, map(repr, amounts)), Decimal(0)))
