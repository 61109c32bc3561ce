from math import nan

import pytest

from competitions.tape_ends import Ends, priced
from feeds.tape.records import FeedKey

FEED = FeedKey("simulated", "BTCUSDT", "candle", "1m")


def ends(entry_price, exit_price):
    return Ends(0.0, 60.0, 0.0, 0.0, entry_price, exit_price)


@pytest.mark.parametrize(
    ("entry_price", "exit_price", "actual_return", "direction_up"),
    [(80.0, 100.0, 0.25, True), (80.0, 60.0, -0.25, False), (80.0, 80.0, 0.0, False)],
)
def test_a_return_is_of_the_entry_price_and_standing_still_is_not_up(
    entry_price, exit_price, actual_return, direction_up
):
    assert priced(FEED, ends(entry_price, exit_price)).actuals == {
        "entry_price": entry_price,
        "resolved_price": exit_price,
        "actual_return": actual_return,
        "direction_up": direction_up,
    }


@pytest.mark.parametrize(
    ("entry_price", "exit_price", "reason"),
    [
        (0.0, 1.0, "the entry price was 0; a return needs one above 0"),
        (-2.0, 1.0, "the entry price was -2; a return needs one above 0"),
        (1e-300, 1e10, "the return from 1e-300 to 1e+10 is too large for a number"),
        (nan, 1.0, "the record at the entry of the round has no price"),
        (1.0, nan, "the record at the exit of the round has no price"),
    ],
)
def test_what_gives_no_return_says_why(entry_price, exit_price, reason):
    found = priced(FEED, ends(entry_price, exit_price))
    assert (found.actuals, found.reason) == (None, reason)
