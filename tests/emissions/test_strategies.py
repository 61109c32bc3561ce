from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emissions import frac64
from emissions.errors import EmissionError
from emissions.formats import apportion
from emissions.strategies import checked, tier_shares, tiers


@pytest.mark.parametrize(
    ("count", "percents"),
    [
        (0, []),
        (1, [100]),
        (2, [62.5, 37.5]),
        (3, [50, 25, 25]),
        (5, [40, 15, 15, 15, 15]),
        (10, [35, 10, 10, 10, 10, 5, 5, 5, 5, 5]),
        (12, [35, 10, 10, 10, 10, 5, 5, 5, 5, 5, 0, 0]),
    ],
)
def test_known_tiers(count, percents):
    assert tier_shares(count) == [int(p * 10_000_000) for p in percents]


@given(st.integers(min_value=1, max_value=300))
def test_shares_sum_to_the_whole_and_never_rise_with_the_rank(count):
    shares = tier_shares(count)
    assert sum(shares) == frac64.WHOLE
    # Largest remainder may give one of two equal ranks an odd billionth.
    assert all(a >= b - 1 for a, b in pairwise(shares))


def entries(*indexes):
    return [{"cruncher_index": index} for index in indexes]


def test_models_of_one_cruncher_are_paid_together():
    emission = checked(tiers(entries(7, 3, 7), "PUBKEY"), payable=[7, 3])
    assert [(r.cruncher_index, r.reward_pct) for r in emission.cruncher_rewards] == [
        (7, 750_000_000),
        (3, 250_000_000),
    ]


def test_a_named_provider_gets_its_whole_category():
    emission = checked(
        tiers(entries(0), "K", compute_provider="W"), payable=[0]
    ).model_dump()
    assert emission["compute_provider_rewards"] == [
        {"provider": "W", "reward_pct": 1_000_000_000}
    ]
    assert emission["data_provider_rewards"] == []


@pytest.mark.parametrize(
    ("rewards", "problem"),
    [
        ([{"cruncher_index": 0, "reward_pct": 999_999_999}], "summed to 999999999"),
        ([{"cruncher_index": 0, "reward_pct": 1e9}], "valid integer"),
        ([{"cruncher_index": -1, "reward_pct": 1_000_000_000}], "greater than"),
        ([{"cruncher_index": 1, "reward_pct": 1_000_000_000}], r"paid \[1\]"),
    ],
)
def test_a_builder_that_does_not_pay_exactly_the_whole_is_refused(rewards, problem):
    built = {**tiers([], "K"), "cruncher_rewards": rewards}
    with pytest.raises(EmissionError, match=problem):
        checked(built, payable=[0])


def test_of_equal_remainders_the_earlier_gets_the_odd_one():
    assert frac64.split([1, 1, 1]) == [333_333_334, 333_333_333, 333_333_333]
    assert apportion([frac64.WHOLE // 2] * 2, 3) == [2, 1]


def test_a_provider_that_is_named_twice_is_paid_once_the_whole():
    halves = [{"provider": "W", "reward_pct": frac64.WHOLE // 2}] * 2
    built = {**tiers([], "K"), "compute_provider_rewards": halves}
    emission = checked(built, payable=[])
    assert [r.model_dump() for r in emission.compute_provider_rewards] == [
        {"provider": "W", "reward_pct": frac64.WHOLE}
    ]
