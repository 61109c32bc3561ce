"""How one order is scored. Participants read and run this very code."""

from itertools import combinations


def score_prediction(prediction, ground_truth):
    """Return Kendall's tau: 1 for the right order, -1 for the reverse.

    It counts the pairs of texts with different labels; an order lacks no text.
    """
    # TODO: score as your competition does.
    labels, order = ground_truth.labels, prediction.order
    if set(order) != set(labels):
        return failed(f"order had {len(order)} ids, not each of the {len(labels)} texts")
    pairs = [
        1 if labels[first] > labels[second] else -1
        for first, second in combinations(order, 2)
        if labels[first] != labels[second]
    ]
    if not pairs:
        return failed("all labels are the same")
    return {"value": sum(pairs) / len(pairs), "success": True, "failed_reason": None}


def failed(reason):
    return {"value": 0.0, "success": False, "failed_reason": reason}
