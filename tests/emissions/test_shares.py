"""What each strategy gives to a ranking; every list sums to exactly the whole."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from competitions.emission_rule import STRATEGY_NAMES, EmissionRule
from core.rounding import LARGEST
from emissions.frac64 import WHOLE
from emissions.shares import shares_of

FIGURES = st.one_of(
    st.none(), st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, LARGEST, -LARGEST])
)
ENTRIES = st.lists(
    st.fixed_dictionaries(
        {
            "ranking_value": FIGURES,
            "standard_error": st.one_of(st.none(), st.floats(0, 1e6), st.just(LARGEST)),
            "result_summary": st.fixed_dictionaries(
                {"contribution": FIGURES, "model_correlation": FIGURES}
            ),
        }
    ),
    max_size=130,
)
RULES = st.builds(
    EmissionRule,
    strategy=st.sampled_from(STRATEGY_NAMES),
    ties=st.sampled_from(["by_id", "shared"]),
    best=st.integers(1, 200),
    floor=st.floats(0, 1),
)


@given(rule=RULES, ranking=ENTRIES, is_ascending=st.booleans())
@example(rule=EmissionRule(strategy="shrunken"), ranking=[{}], is_ascending=True)
def test_every_list_sums_to_the_whole_and_none_stays_none(rule, ranking, is_ascending):
    shares = shares_of(rule, ranking, is_ascending=is_ascending)
    assert len(shares) == len(ranking)
    assert sum(shares) == (WHOLE if ranking else 0)
    assert all(share >= 0 for share in shares)
    assert shares_of(rule, ranking, is_ascending=is_ascending) == shares


@given(values=st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=1, max_size=60))
@pytest.mark.parametrize("strategy", STRATEGY_NAMES)
def test_nobody_earns_more_than_who_is_better(strategy, values):
    entries = ranking(*sorted(values, reverse=True), errors=[0.1] * len(values))
    shares = shares_of(EmissionRule(strategy=strategy), entries)
    assert all(a >= b - 1 for a, b in pairwise(shares))


@given(values=st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=1, max_size=60))
@pytest.mark.parametrize("strategy", STRATEGY_NAMES)
def test_a_tie_is_shared_where_the_rule_says_so(strategy, values):
    entries = ranking(*sorted(values, reverse=True), errors=[0.1] * len(values))
    rule = EmissionRule(strategy=strategy, ties="shared")
    of_value = {}
    for entry, share in zip(entries, shares_of(rule, entries), strict=True):
        of_value.setdefault(entry["ranking_value"], []).append(share)
    assert all(max(each) - min(each) <= 1 for each in of_value.values())


def ranking(*values, errors=()):
    return [
        {"ranking_value": value, "standard_error": error}
        for value, error in zip(values, errors or [None] * len(values), strict=True)
    ]


def percents(rule, entries, **options):
    return [round(s / 10**7, 4) for s in shares_of(rule, entries, **options)]


def test_tiers_shared_by_a_tie():
    entries = ranking(3.0, 2.0, 2.0)
    shared = EmissionRule(ties="shared")
    assert percents(shared, entries) == [50, 25, 25]
    assert percents(shared, ranking(2.0, 2.0)) == [50, 50]
    assert percents(EmissionRule(), ranking(2.0, 2.0)) == [62.5, 37.5]
    assert percents(shared, ranking(None, None)) == [62.5, 37.5]  # no figures, no tie


def test_the_known_vector_of_contribution():
    rule = EmissionRule(strategy="contribution")
    assert shares_of(rule, [{}] * 4) == [
        *(511_363_636, 238_636_364, 147_727_273, 102_272_727)
    ]
    assert shares_of(rule, [{}]) == [WHOLE]


def test_who_contributes_and_differs_earns_more():
    entries = [
        {"result_summary": {"contribution": c, "model_correlation": m}}
        for c, m in ((0.0, 0.9), (0.2, 0.1), (0.1, 0.5))
    ]
    rule = EmissionRule(strategy="contribution", floor=0)
    # 0.5 of rank (1, 1/4, 0), 0.3 of contribution (0, 1, 1/2), 0.2 of being
    # different (0, 1, 1/2): 0.5, 0.625 and 0.25.
    assert percents(rule, entries) == [36.3636, 45.4545, 18.1818]


@pytest.mark.parametrize("count", [2, 40, 99])
def test_the_floor_holds_as_long_as_it_fits(count):
    shares = shares_of(EmissionRule(strategy="contribution"), [{}] * count)
    assert min(shares) >= WHOLE // 100
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("count", [100, 101, 300])
def test_beyond_the_floor_all_are_equal(count):
    shares = shares_of(EmissionRule(strategy="contribution"), [{}] * count)
    assert max(shares) - min(shares) <= 1


def test_proportional_pays_for_figures_above_zero():
    rule = EmissionRule(strategy="proportional")
    assert percents(rule, ranking(3.0, 1.0, -5.0)) == [75, 25, 0]
    assert percents(rule, ranking(-1.0, -2.0)) == [50, 50]
    assert percents(rule, ranking(1.0, 2.0, 5.0), is_ascending=True) == [
        *(57.1429, 42.8571, 0)
    ]


def test_equal_pays_the_best():
    rule = EmissionRule(strategy="equal", best=2)
    assert percents(rule, ranking(3.0, 2.0, 1.0)) == [50, 50, 0]
    assert percents(rule, ranking(3.0)) == [100]
    shared = EmissionRule(strategy="equal", best=2, ties="shared")
    assert percents(shared, ranking(3.0, 2.0, 2.0)) == [50, 25, 25]


def test_a_figure_of_which_little_is_known_is_drawn_to_the_mean():
    rule = EmissionRule(strategy="shrunken")
    exact = percents(rule, ranking(3.0, 1.0, errors=[0.0, 0.0]))
    assert exact == [75, 25]
    vague = percents(rule, ranking(3.0, 1.0, errors=[1.0, 0.0]))
    assert 50 < vague[0] < 75
    # The spread is 2, the errors explain 1/2 of it: 1.5 / (1.5 + 1) of the distance.
    assert vague == percents(
        EmissionRule(strategy="proportional"), ranking(2 + 0.6, 1.0)
    )
    assert percents(rule, ranking(3.0, 1.0)) == [50, 50]
    assert percents(rule, ranking(3.0, 1.0, errors=[9.0, 9.0])) == [50, 50]
