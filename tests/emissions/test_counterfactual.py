"""What other strategies would have paid, and how concentrated shares are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emissions.counterfactual import effective_number, gini, would_have_paid
from emissions.frac64 import WHOLE
from emissions.models import Checkpoint

SHARES = st.lists(st.integers(0, WHOLE), max_size=40)


@pytest.mark.parametrize(
    ("shares", "of_gini", "effective"),
    [
        ([], None, None),
        ([0, 0], None, None),
        ([7], 0.0, 1.0),
        ([5, 5, 5, 5], 0.0, 4.0),
        ([1, 0, 0, 0], 0.75, 1.0),
        ([3, 1], 0.25, 1.6),
    ],
)
def test_known_concentrations(shares, of_gini, effective):
    assert gini(shares) == of_gini
    assert effective_number(shares) == effective


@given(SHARES)
def test_concentrations_have_bounds(shares):
    if any(shares):
        assert 0 <= gini(shares) < 1
        assert 1 <= effective_number(shares) <= len(shares)


def test_models_of_a_cruncher_are_paid_together_by_every_strategy():
    ranking = [
        {"cruncher_index": index, "ranking_value": value, "standard_error": 0.0}
        for index, value in ((7, 3.0), (9, 2.0), (7, 1.0))
    ]
    made = Checkpoint(meta={"ranking": ranking, "rule": {"best": 2}})
    paid = would_have_paid(made)
    assert all(sum(shares.values()) == WHOLE for shares in paid.values())
    assert paid["equal"] == {7: WHOLE // 2, 9: WHOLE // 2}
    assert paid["tiers"] == {7: 750_000_000, 9: 250_000_000}
    assert paid["proportional"] == {7: 666_666_667, 9: 333_333_333}


def test_of_a_figure_without_an_error_nothing_is_shrunken():
    ranking = [{"cruncher_index": index, "ranking_value": -2.0} for index in (1, 2)]
    found = set(would_have_paid(Checkpoint(meta={"ranking": ranking})))
    assert found == {"tiers", "contribution", "equal", "proportional"}


def test_without_figures_only_the_strategies_of_ranks_are_known():
    made = Checkpoint(meta={"ranking": [{"cruncher_index": 1}]})
    assert set(would_have_paid(made)) == {"tiers", "contribution", "equal"}
    assert would_have_paid(Checkpoint(meta={}))["tiers"] == {}
