"""The rows of the ranking beside the pool that came of them."""

import pytest

from livepool.release.ranking_rules import number_in, ranking_problems, ranking_warnings

POOL = ["AUSDT", "BUSDT"]


def rows(*places):
    return [
        {
            "symbol": symbol,
            "current_rank": rank,
            "selected_flag": flag,
            "regime": "risk_off",
        }
        for symbol, rank, flag in places
    ]


GOOD = rows(("AUSDT", "1", "True"), ("BUSDT", "2", "True"), ("CUSDT", "3", "False"))


def test_a_ranking_that_led_to_the_pool_has_no_problem():
    assert list(ranking_problems(GOOD, POOL)) == []
    assert list(ranking_warnings(GOOD)) == []


@pytest.mark.parametrize(
    ("ranking", "problem"),
    [
        (GOOD[:1], "live_pool has BUSDT outside the ranking"),
        (
            rows(("AUSDT", "1", "True"), ("BUSDT", "1", "True")),
            "two selected rows share a current_rank",
        ),
        (
            rows(("AUSDT", "n/a", "True"), ("BUSDT", "2", "True")),
            "a selected row has no numeric current_rank",
        ),
        (
            rows(("AUSDT", "2", "True"), ("BUSDT", "1", "True")),
            "live_pool order differs from the selected rows by rank",
        ),
    ],
)
def test_each_problem_is_a_sentence(ranking, problem):
    assert problem in list(ranking_problems(ranking, POOL))


def test_what_is_unusual_is_a_warning():
    late = rows(("AUSDT", "4", "True"))
    late[0]["regime"] = "storm"
    assert list(ranking_warnings(late)) == [
        "unknown regimes: storm",
        "the selected rows are not the best ranks",
    ]


@pytest.mark.parametrize(
    ("text", "value"), [("1.5", 1.5), ("", None), ("nan", None), ("inf", None)]
)
def test_a_number_is_finite_or_unknown(text, value):
    assert number_in(text) == value
