"""What the scoring function promises, whatever it is given."""

from types import SimpleNamespace

from {{ package }}.scoring import score_prediction

TRUTH = SimpleNamespace(labels={"a": 0.9, "b": 0.1, "c": -0.5})


def scored(*order):
    return score_prediction(SimpleNamespace(order=list(order)), TRUTH)


def test_the_right_order_has_1_and_the_reverse_minus_1():
    assert scored("a", "b", "c")["value"] == 1.0
    assert scored("c", "b", "a")["value"] == -1.0
    assert scored("b", "a", "c")["value"] == 1 / 3


def test_an_order_that_lacks_a_text_fails_with_a_reason():
    assert not scored("a", "b")["success"]
    assert scored("a", "b")["failed_reason"]
