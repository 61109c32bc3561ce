"""Simulate a long-only portfolio that trades at opens, with fees. Plain numpy.

Shares drift between trades. At a trade the value after fees N solves `N + c * sum|w_i N
- v_i| = NAV` (c: cost rate, w: target weights, v: values held).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livepool.errors import LivePoolError

Array = npt.NDArray[np.float64]


class SimulationError(LivePoolError):
    """Prices or weights cannot be simulated; the message says which.

    `row` and `column` locate a missing open.
    """

    code = "livepool_simulation"
    status = 422

    def __init__(self, message: str, *, row: int = -1, column: int = -1) -> None:
        super().__init__(message)
        self.row, self.column = row, column


@dataclass(frozen=True)
class Path:
    """Per date: return to the next open, turnover and weights after trading."""

    returns: Array
    turnover: Array
    weights: Array

    @property
    def equity(self) -> Array:
        """Return the value of 1 at the start, at each next open."""
        return np.asarray(np.cumprod(1 + self.returns), dtype=np.float64)

    @property
    def drawdown(self) -> Array:
        """Return equity over its highest so far (the start's 1 included), minus 1."""
        return self.equity / np.maximum.accumulate(np.maximum(self.equity, 1.0)) - 1


def value_after_fees(held: Array, cash: float, weights: Array, cost: float) -> float:
    """Solve the module's equation for N by bisection from below, so cash suffices."""
    total = float(cash + held.sum())
    low, high = 0.0, total
    for _ in range(64):
        middle = (low + high) / 2
        if middle + cost * np.abs(weights * middle - held).sum() > total:
            high = middle
        else:
            low = middle
    return low


def simulate(opens: Array, targets: Mapping[int, Array], cost: float) -> Path:
    """Follow `targets` (row of `opens` -> weights summing to 1 or less, rest cash).

    `opens` is dates x symbols. On the last date only costs count. Raises
    SimulationError for a cost outside [0, 1), for weights that are negative or sum to
    more than 1, and for a held or traded symbol without a positive open.
    """
    if not 0 <= cost < 1:
        raise SimulationError(f"the cost rate was {cost}; it lies in [0, 1)")
    days, size = opens.shape
    shares, cash = np.zeros(size), 1.0
    returns, turnover = np.zeros(days), np.zeros(days)
    weights = np.zeros((days, size))
    for day in range(days):
        held = _values(shares, opens[day], day)
        before = cash + held.sum()
        if day in targets:
            target = _checked(targets[day], day)
            value = value_after_fees(held, cash, target, cost)
            bought = target * value
            turnover[day] = np.abs(bought - held).sum() / before / 2
            _values(target, opens[day], day)
            shares = np.divide(bought, opens[day], out=np.zeros(size), where=target > 0)
            cash = value - bought.sum()
            held = bought
        after = cash + held.sum()
        weights[day] = held / after
        if day + 1 < days:
            after = cash + _values(shares, opens[day + 1], day + 1).sum()
        returns[day] = after / before - 1
    return Path(returns, turnover, weights)


def _values(amounts: Array, prices: Array, day: int) -> Array:
    used = amounts > 0
    wrong = np.flatnonzero(used & ~(np.isfinite(prices) & (prices > 0)))
    if len(wrong):
        raise SimulationError(
            f"a held or traded symbol (column {wrong[0]}) has no open on row {day}",
            row=day,
            column=int(wrong[0]),
        )
    return np.where(used, amounts * np.where(used, prices, 0.0), 0.0)


def _checked(weights: Array, day: int) -> Array:
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise SimulationError(f"weights of row {day} must be finite and not negative")
    if weights.sum() > 1 + 1e-12:
        raise SimulationError(f"weights of row {day} sum to {weights.sum()}, over 1")
    return weights


def metrics(path: Path) -> dict[str, float]:
    """Return yearly figures on 365 days; a zero denominator gives NaN."""
    returns = path.returns
    if not len(returns):
        return dict.fromkeys(METRICS, float("nan"))
    mean, deviation = returns.mean() * 365, returns.std() * np.sqrt(365)
    downside = np.sqrt((np.minimum(returns, 0) ** 2).mean()) * np.sqrt(365)
    growth = path.equity[-1] ** (365 / len(returns)) - 1
    deepest = path.drawdown.min()
    values = (
        *(growth, deviation, _ratio(mean, deviation), _ratio(mean, downside)),
        *(deepest, _ratio(growth, abs(deepest))),
        *((returns > 0).mean(), path.turnover.mean() * 365),
    )
    return {name: float(v) for name, v in zip(METRICS, values, strict=True)}


METRICS = (
    *("CAGR", "Annualized Volatility", "Sharpe", "Sortino", "Max Drawdown", "Calmar"),
    *("Win Rate", "Turnover"),
)


def _ratio(above: float, below: float) -> float:
    return above / below if below else float("nan")
