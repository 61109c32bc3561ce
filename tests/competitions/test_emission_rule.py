"""A contract's rule of emission is checked when the contract is loaded."""

import pytest
from pydantic import ValidationError

from competitions.contract import Aggregation, CrunchConfig


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"strategy": "best"}, "strategy was 'best'; it is one of tiers, contribution"),
        ({"strategy": "os:system"}, "is in none of the packages"),
        ({"strategy": "tests.competitions.own_callables:none"}, "has no none"),
        ({"weights": {"rank": 0.5}, "floor": 2}, "less than or equal to 1"),
        ({"weights": {"rank": 0.6}}, "summed to 1.1; they must sum to 1"),
        ({"best": 0}, "greater than or equal to 1"),
        ({"ties": "coin"}, "'by_id' or 'shared'"),
        ({"needs_three": True}, "Extra inputs are not permitted"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(given, told):
    with pytest.raises(ValidationError, match=told):
        CrunchConfig(emission=given)


def test_an_error_is_known_of_windows_alone():
    with pytest.raises(ValidationError, match="needs a window as ranking_key"):
        CrunchConfig(
            emission={"strategy": "shrunken"}, aggregation=Aggregation(ranking_key="ic")
        )
