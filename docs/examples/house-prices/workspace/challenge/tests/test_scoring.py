"""What the scoring function promises, whatever it is given."""

from types import SimpleNamespace

from {{ package }}.scoring import score_prediction

TRUTH = SimpleNamespace(price=200_000.0)


def scored(value):
    return score_prediction(SimpleNamespace(value=value), TRUTH)


def test_a_nearer_estimate_has_a_higher_score():
    assert scored(200_000)["value"] == 1.0
    assert scored(180_000)["value"] == 0.9
    assert scored(900_000)["value"] == 0.0


def test_an_answer_that_cannot_be_scored_fails_with_a_reason():
    assert not scored("much")["success"]
    assert scored("much")["failed_reason"]
