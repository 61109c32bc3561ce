"""How one order is scored by itself. Participants read and run this very code."""

from typing import Any

# Of the size: 0.1 % fee and 0.01 % spread.
COST = 0.0011


def score_prediction(prediction: Any, ground_truth: Any) -> dict[str, Any]:
    """Score one order as if it were held to the end of its round.

    `prediction.value` is the signed size: above 0 for a buy. `ground_truth` has
    `entry_price`, `resolved_price` and `actual_return`, a fraction. Returns `value` in
    the account's money, `success`, and `failed_reason` where `success` is False; it
    never raises. Models are ranked by their accounts, not by this.
    """
    if ground_truth.actual_return is None:
        return failed("the truth has no return")
    try:
        size = float(prediction.value)
    except (TypeError, ValueError):
        return failed(f"value was {prediction.value!r}, which is no number")
    # TODO: score an order as your competition does.
    value = size * ground_truth.actual_return - COST * abs(size)
    return {"value": value, "success": True, "failed_reason": None}


def failed(reason: str) -> dict[str, Any]:
    """Return the score of an answer that cannot be scored."""
    return {"value": 0.0, "success": False, "failed_reason": reason}
