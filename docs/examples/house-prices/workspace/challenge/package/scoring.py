"""How one estimate is scored. Participants read and run this very code."""


def score_prediction(prediction, ground_truth):
    """Return 1 for the price itself, less by the relative error, never below 0."""
    # TODO: score as your competition does.
    if ground_truth.price <= 0:
        return failed(f"the price was {ground_truth.price}")
    try:
        error = abs(float(prediction.value) - ground_truth.price) / ground_truth.price
    except (TypeError, ValueError):
        return failed(f"value was {prediction.value!r}, which is no number")
    return {"value": max(0.0, 1 - error), "success": True, "failed_reason": None}


def failed(reason):
    return {"value": 0.0, "success": False, "failed_reason": reason}
