"""What a list and a map of symbols must be."""

import pytest

from livepool.release.symbol_rules import (
    map_problems,
    normal_map,
    normal_symbols,
    symbol_problems,
)


def test_symbols_are_compared_in_capitals_and_without_spaces():
    assert normal_symbols([" ethusdt ", "BTCUSDT", 5, ""]) == ["ETHUSDT", "BTCUSDT"]
    assert normal_symbols({"ETHUSDT": 1}) == normal_symbols(None) == []
    assert normal_map({"ethusdt": 1}) == {"ETHUSDT": 1}
    assert normal_map(["ETHUSDT"]) == {}


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        (["ETHUSDT", "SOLUSDT"], []),
        ([], ["x symbols must be a list that is not empty"]),
        ("ETHUSDT", ["x symbols must be a list that is not empty"]),
        ([7], ["x symbols must be text, was 7"]),
        (["ETHBTC"], ["x symbol ETHBTC is not quoted in USDT"]),
        (["ETHUSDT", "ethusdt"], ["x names ETHUSDT more than once"]),
    ],
)
def test_each_problem_of_a_list_is_a_sentence(value, problems):
    assert list(symbol_problems(value, "x")) == problems


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ({"ETHUSDT": {"base_asset": "ETH"}}, []),
        ({}, ["m must be a map that is not empty"]),
        ({"ETHUSDT": {}}, ["m ETHUSDT needs a base_asset, was {}"]),
        ({"ETHUSDT": {"base_asset": " "}}, None),
    ],
)
def test_each_coin_of_a_map_has_a_base_asset(value, problems):
    found = list(map_problems(value, "m"))
    assert found == problems if problems is not None else len(found) == 1
