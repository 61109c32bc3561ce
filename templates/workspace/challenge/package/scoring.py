"""How one prediction is scored. Participants read and run this very code."""

from typing import Any


def score_prediction(prediction: Any, ground_truth: Any) -> dict[str, Any]:
    """Score one prediction against what happened.

    `prediction.value` is what the model answered. `ground_truth` has `entry_price`,
    `resolved_price` and `actual_return`, the return over the horizon as a fraction.
    Returns `value` (higher is better), `success`, and `failed_reason` where `success`
    is False; it never raises.
    """
    # TODO: score as your competition does. This rewards the right direction, at most
    # as much as the price has moved, in basis points.
    if ground_truth.actual_return is None:
        return failed("the truth has no return")
    try:
        answer = float(prediction.value)
    except (TypeError, ValueError):
        return failed(f"value was {prediction.value!r}, which is no number")
    signal = max(-1.0, min(1.0, answer))
    value = signal * ground_truth.actual_return * 10_000
    return {"value": value, "success": True, "failed_reason": None}


def failed(reason: str) -> dict[str, Any]:
    """Return the score of an answer that cannot be scored."""
    return {"value": 0.0, "success": False, "failed_reason": reason}
