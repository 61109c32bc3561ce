from dataclasses import replace
from datetime import date

import polars as pl
import pytest

from livepool.model import universe
from livepool.model.parameters import Gates, UniverseConfig

MONTH_ENDS = [
    *(date(2025, month, day) for month, day in ((1, 31), (2, 28), (3, 31), (4, 30))),
    *(date(2025, month, day) for month, day in ((5, 31), (6, 30), (7, 31), (8, 31))),
    *(date(2025, month, day) for month, day in ((9, 30), (10, 31))),
]
GATES = Gates(
    min_history_days=0,
    min_avg_quote_vol_30=100.0,
    min_avg_quote_vol_90=0.0,
    min_avg_quote_vol_180=0.0,
    min_liquidity_stability=0.0,
    min_tradable_ratio_180=0.0,
    entry_confirmations=2,
    exit_confirmations=2,
)


def panel(**volumes):
    """A row a coin and month end, with these mean turnovers of 30 days."""
    return pl.DataFrame(
        [
            {
                "date": day,
                "symbol": symbol,
                "quote_volume": 1.0,
                "age_days": 1000,
                "avg_quote_vol_30": volume,
                "avg_quote_vol_90": 1.0,
                "avg_quote_vol_180": 1.0,
                "liquidity_stability": 1.0,
                "tradable_ratio_180": 1.0,
            }
            for symbol, series in volumes.items()
            for day, volume in zip(MONTH_ENDS, series, strict=False)
        ],
        schema_overrides={"avg_quote_vol_30": pl.Float64},
    )


def members(rows, gates=GATES, symbol="ADAUSDT"):
    refreshes = universe.history(rows, gates, UniverseConfig())
    assert [refresh.date for refresh in refreshes] == sorted(rows["date"].unique())
    return "".join("+" if symbol in refresh.members else "-" for refresh in refreshes)


@pytest.mark.parametrize(
    ("confirmations", "expected"),
    [((1, 1), "+-++-+--++"), ((2, 2), "---++++--+"), ((2, 1), "---+-----+")],
)
def test_a_coin_enters_and_leaves_after_so_many_month_ends_in_a_row(
    confirmations, expected
):
    passes = "+-++-+--++"
    rows = panel(ADAUSDT=[100.0 if each == "+" else 99.0 for each in passes])
    entry, exit_ = confirmations
    gates = replace(GATES, entry_confirmations=entry, exit_confirmations=exit_)
    assert members(rows, gates) == expected


def test_what_is_not_known_does_not_pass():
    rows = panel(ADAUSDT=[200.0, 200.0, None, None, 200.0])
    assert members(rows) == "-++--"


def test_the_universe_of_a_month_end_holds_until_the_next_and_not_before():
    rows = panel(ADAUSDT=[200.0] * 3)
    refreshes = universe.history(rows, GATES, UniverseConfig())
    days = pl.DataFrame(
        {
            "date": [date(2025, 2, 27), date(2025, 2, 28), date(2025, 3, 30)],
            "symbol": ["ADAUSDT"] * 3,
        }
    )
    found = universe.with_membership(days, refreshes)
    assert found["in_universe"].to_list() == [False, True, True]
    assert found["universe_snapshot_date"].to_list() == [
        *(date(2025, 1, 31), date(2025, 2, 28), date(2025, 2, 28)),
    ]


@pytest.mark.parametrize(
    ("column", "value", "limit", "told"),
    [
        ("avg_quote_vol_30", 7_999_999.99, 8e6, "7.9 M USDT a day over 30 days"),
        ("avg_quote_vol_30", 7_980_000.0, 8e6, "7.9 M USDT a day over 30 days"),
        ("liquidity_stability", 0.5499999999, 0.55, "0.54 steadiness of turnover"),
        ("tradable_ratio_180", 165 / 180, 0.92, "0.91 of 180 days with trades"),
        # 0.29 and 0.57 times 100 are less than 29 and 57 in binary.
        ("liquidity_stability", 0.29, 0.57, "0.29 steadiness of turnover"),
    ],
)
def test_what_falls_short_of_a_limit_does_not_look_like_the_limit(
    column, value, limit, told
):
    of = {
        "avg_quote_vol_30": "min_avg_quote_vol_30",
        "liquidity_stability": "min_liquidity_stability",
        "tradable_ratio_180": "min_tradable_ratio_180",
    }
    gates = replace(GATES, **{"min_avg_quote_vol_30": 0.0, of[column]: limit})
    rows = panel(ADAUSDT=[1.0]).with_columns(
        pl.lit(value).alias(column), pl.lit(value=False).alias("in_universe")
    )
    needs = {8e6: "8.0 M"}.get(limit, str(limit))
    assert universe.refusals(rows, MONTH_ENDS[0], gates, {"ADAUSDT": "ADA"}) == {
        "ADAUSDT": f"{told}, needs {needs}"
    }
