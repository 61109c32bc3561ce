"""Every name of a workspace follows from its slug."""

import pytest

from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.naming import names_of


def test_all_names_follow_from_the_slug():
    names = names_of("btc-trader-2")
    assert names.package == "crunch_btc_trader_2"
    assert names.challenge == "crunch-btc-trader-2"
    assert names.node == "crunch-node-btc-trader-2"
    assert names.title == "Btc trader 2"


def test_digits_alone_are_a_name():
    assert names_of("2026").package == "crunch_2026"


@pytest.mark.parametrize(
    "slug",
    [
        *("", "Btc", "btc_trader", "-btc", "btc-", "btc--trader", "btc trader"),
        *("../btc", "btc/trader", "b\u00e4r", "btc\n", "a" * 41, "api", "core"),
        *("class", "\u0661"),
    ],
)
def test_any_other_name_is_refused_with_the_pattern_or_the_reason(slug):
    with pytest.raises(ScaffoldError, match=r"^name "):
        names_of(slug)
