import numpy as np
import pytest

from competitions.shared.truth_rule import find_end, move_between, problem_of_gap

CLOSED = np.array([60.0, 120.0, 240.0])
PRICES = np.array([1.0, 2.0, 4.0])


def test_the_price_is_that_of_the_last_record_closed_by_then():
    end = find_end(CLOSED, PRICES, np.array([119.0, 120.0, 185.0]), 60, 240)
    assert end.price.tolist() == [1.0, 2.0, 2.0]
    assert end.late_s.tolist() == [0.0, 0.0, 60.0]
    assert end.is_settled.all()
    assert problem_of_gap("exit", end, 1, 0) == ""
    assert "closed 60 s earlier, 12 s are allowed" in problem_of_gap("exit", end, 2, 12)


def test_before_the_first_record_there_is_no_price():
    end = find_end(CLOSED, PRICES, np.array([30.0]), 60, 240)
    assert "no record before" in problem_of_gap("entry", end, 0, 1e9)


@pytest.mark.parametrize(
    ("paid", "got", "reason"),
    [(0.0, 1.0, "above 0"), (np.nan, 1.0, "entry"), (1.0, np.nan, "exit")],
)
def test_a_return_needs_two_prices(paid, got, reason):
    actuals, why = move_between(paid, got)
    assert actuals is None
    assert reason in why
