"""Which records give a round's two prices, and what return lies between them.

The price at an instant is the close of the last record that was closed by then. On a
grid of granularity g that record closes at floor(instant / g) * g.
"""

from dataclasses import dataclass
from math import isfinite, isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class End:
    """One end of many rounds: the record used, and how far it is from the due one.

    `expected` is when the due record closes. `closed_at` (-inf) and `price` (NaN) are
    those of the last record by then, unknown if the tape has none. `late_s` is how much
    earlier than expected it closed. `is_settled`: no better record will come.
    """

    expected: NDArray[np.float64]
    closed_at: NDArray[np.float64]
    price: NDArray[np.float64]
    late_s: NDArray[np.float64]
    is_settled: NDArray[np.bool_]


def find_end(
    closed_at: NDArray[np.float64],
    price: NDArray[np.float64],
    instants: NDArray[np.float64],
    step_s: float,
    newest_s: float,
) -> End:
    """Return for each instant the last record closed by then, in epoch seconds."""
    place = np.searchsorted(closed_at, instants, side="right") - 1
    has_one = place >= 0
    found = np.full(instants.shape, -np.inf)
    worth = np.full(instants.shape, np.nan)
    found[has_one] = closed_at[place[has_one]]
    worth[has_one] = price[place[has_one]]
    return end_with(found, worth, instants, step_s, newest_s)


def end_with(
    closed_at: NDArray[np.float64],
    price: NDArray[np.float64],
    instants: NDArray[np.float64],
    step_s: float,
    newest_s: float,
) -> End:
    """Return the ends at instants whose records are known, one for each."""
    expected = expected_close(instants, step_s)
    late = np.maximum(expected - closed_at, 0.0)
    return End(
        expected=expected,
        closed_at=closed_at,
        price=price,
        late_s=late,
        is_settled=(late == 0.0) | (newest_s > expected),
    )


def expected_close(instants: NDArray[np.float64], step_s: float) -> NDArray[np.float64]:
    """Return when the record that is due at each instant closes."""
    return np.floor(instants / step_s) * step_s if step_s else instants


def problem_of_gap(name: str, end: End, i: int, allowed_s: float) -> str:
    """Return why a settled end of a round cannot serve; empty if it can."""
    if end.late_s[i] > allowed_s or np.isinf(end.closed_at[i]):
        missing = (
            "the tape has no record before it"
            if np.isinf(end.closed_at[i])
            else f"the last one before closed {end.late_s[i]:g} s earlier, "
            f"{allowed_s:g} s are allowed"
        )
        return f"the tape has a gap at the {name} of the round: {missing}"
    return ""


def return_between(paid: Any, got: Any) -> Any:
    """Return the move from one price to another as a fraction; of numbers or arrays."""
    return (got - paid) / paid


def move_between(paid: float, got: float) -> tuple[dict[str, Any] | None, str]:
    """Return the truth between two prices, or None and why there is none."""
    for name, price in (("entry", paid), ("exit", got)):
        if isnan(price):
            return None, f"the record at the {name} of the round has no price"
    if paid <= 0:
        return None, f"the entry price was {paid:g}; a return needs one above 0"
    moved = return_between(paid, got)
    if not isfinite(moved):
        return None, f"the return from {paid:g} to {got:g} is too large for a number"
    return {
        "entry_price": paid,
        "resolved_price": got,
        "actual_return": moved,
        "direction_up": got > paid,
    }, ""
