"""What the scoring function promises, whatever it is given."""

from types import SimpleNamespace

from {{ package }}.scoring import score_prediction

TRUTH = SimpleNamespace(entry_price=100.0, resolved_price=101.0, actual_return=0.01)


def test_another_answer_has_another_score():
    up = score_prediction(SimpleNamespace(value=1.0), TRUTH)
    down = score_prediction(SimpleNamespace(value=-1.0), TRUTH)
    assert up["success"]
    assert down["success"]
    assert up["value"] > down["value"]


def test_an_answer_that_cannot_be_scored_fails_with_a_reason():
    scored = score_prediction(SimpleNamespace(value="up"), TRUTH)
    assert not scored["success"]
    assert scored["failed_reason"]
