"""What a prediction is worth by default: the profit of a position of its size."""

from typing import Any


def scoring_function(prediction: Any, ground_truth: Any) -> dict[str, Any]:
    """Return signal times return, in basis points: the profit of such a position."""
    if ground_truth.actual_return is None:
        return {"success": False, "failed_reason": "the truth has no return"}
    return {
        "value": prediction.value * ground_truth.actual_return * 10_000,
        "actual_return": ground_truth.actual_return,
    }
