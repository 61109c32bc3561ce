"""Scores are averaged, money is added up, and what is unknown weighs nothing."""

import pytest

from competitions.shared.window_rule import Summing, summed_up, summing_of

TOTAL, BY_PERIOD, BY_SCORE = (
    Summing.TOTAL,
    Summing.MEAN_OF_PERIODS,
    Summing.MEAN_OF_SCORES,
)


@pytest.mark.parametrize(
    ("summing", "snapshots", "right"),
    [
        (BY_SCORE, [(1.0, 1), (4.0, 3)], 3.25),
        (BY_SCORE, [(1.0, 1), (None, 3)], 1.0),
        (BY_SCORE, [(1.0, 0)], None),
        (BY_PERIOD, [(1.0, 0), (4.0, 3)], 2.5),
        (TOTAL, [(-90.0, 0), (40.0, 60), (None, 5)], -50.0),
        (TOTAL, [(0.1, 1), (0.2, 1), (-0.3, 1)], 0.0),
        (TOTAL, [(None, 1)], None),
        (TOTAL, [], None),
    ],
)
def test_a_figure_of_snapshots(summing, snapshots, right):
    assert summed_up(snapshots, summing) == right


@pytest.mark.parametrize(
    ("name", "trades", "right"),
    [
        ("value", True, TOTAL),
        ("net_pnl", True, TOTAL),
        ("exposure", True, BY_PERIOD),
        ("ic", True, BY_SCORE),
        ("value", False, BY_SCORE),
        ("net_pnl", False, BY_SCORE),
    ],
)
def test_what_is_money_is_told_by_the_competition(name, trades, right):
    assert summing_of(name, value_field="value", trades=trades) is right
