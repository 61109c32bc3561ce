"""Features, labels, universe and regime against the reference's values."""

from dataclasses import replace
from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from livepool import artifacts
from livepool.model import (
    features,
    labels,
    market_context,
    parameters,
    pipeline,
    regime,
    training,
    universe,
)
from tests.livepool import golden

pytestmark = golden.needs_golden

# The reference excludes JUP because its name holds "UP"; here exclusion is by symbol.
CONFIG = replace(
    parameters.DEFAULT, universe=parameters.UniverseConfig(excluded_symbols={"JUPUSDT"})
)


@pytest.fixture(scope="module")
def panel():
    rows = features.symbol_features(features.tidy(golden.candles()), CONFIG.features)
    refreshes = universe.history(
        rows, parameters.gates("core_major"), CONFIG.universe, golden.metadata()
    )
    rows = universe.with_membership(rows, refreshes)
    rows = regime.with_regime(market_context.with_context(rows, CONFIG.features))
    return labels.with_labels(rows, CONFIG.labels), refreshes


def _compare(actual: pl.DataFrame, expected: pl.DataFrame) -> None:
    numbers = [c for c, kind in expected.schema.items() if kind.is_numeric()]
    cast = pl.col(numbers).cast(pl.Float64)
    assert_frame_equal(
        actual.select(expected.columns).with_columns(cast).sort("symbol"),
        expected.with_columns(cast).sort("symbol"),
        rel_tol=1e-6,
        abs_tol=1e-12,
    )


def test_features_match_the_reference(panel):
    expected = golden.expected("features_2024-06-30.csv").with_columns(
        pl.col("in_universe").cast(pl.Boolean)
    )
    rows = panel[0].filter(
        (pl.col("date") == date(2024, 6, 30))
        & pl.col("symbol").is_in(expected["symbol"].to_list())
    )
    assert set(features.MODEL_FEATURES) - set(expected.columns) == set(golden.CONTEXT)
    _compare(rows, expected)


def test_labels_match_the_reference(panel):
    expected = golden.expected("labels_2024-06-30.csv").with_columns(
        pl.col("in_universe").cast(pl.Boolean)
    )
    rows = panel[0].filter(
        (pl.col("date") == date(2024, 6, 30))
        & pl.col("symbol").is_in(expected["symbol"].to_list())
    )
    _compare(rows, expected)


def test_universe_history_matches_the_reference(panel):
    expected = golden.expected_json("universe_history_core_major.json")
    actual = [
        {
            "refresh": refresh.date.isoformat(),
            "candidates": list(refresh.candidates),
            "members": list(refresh.members),
        }
        for refresh in panel[1]
    ]
    assert actual == expected
    assert (
        actual[-1]["members"] == golden.expected_json("latest_universe.json")["symbols"]
    )


def test_market_context_and_regime_match_the_reference(panel):
    expected = golden.expected("market_context_regime.csv")
    actual = (
        panel[0]
        .group_by("date")
        .agg(
            pl.col("btc_above_ma200", "btc_ma200_slope", "btc_zscore_120").first(),
            pl.col("in_universe").sum().alias("universe_size"),
            pl.col(*golden.CONTEXT, "regime", "regime_confidence").first(),
        )
        .filter(pl.col("date").is_in(expected["date"].to_list()))
        .with_columns(
            pl.when(pl.col("universe_size") > 0).then(pl.col("universe_size"))
        )
    )
    numbers = [c for c, kind in expected.schema.items() if kind.is_numeric()]
    cast = pl.col(numbers).cast(pl.Float64)
    assert_frame_equal(
        actual.select(expected.columns).with_columns(cast).sort("date"),
        expected.with_columns(cast).sort("date"),
        rel_tol=1e-6,
        abs_tol=1e-12,
    )


@pytest.fixture(scope="module")
def live():
    return pipeline.build_panel(
        golden.candles(),
        mode="core_major",
        as_of=date(2025, 4, 14),
        config=CONFIG,
        metadata=golden.metadata(),
    )


def test_the_training_rows_are_the_reference_s(live):
    window = training.live_window(live.dates, CONFIG.labels, CONFIG.models)
    assert (window.train_start, window.train_end) == (
        date(2023, 1, 26),
        date(2025, 1, 14),
    )
    members = pipeline._members(live, CONFIG.labels.target)
    rows = members.filter(
        pl.col("date").is_between(window.train_start, window.train_end)
        & pl.col("blended_target").is_not_null()
        & (pl.col("label_end") <= window.known_by)
    )
    assert rows.height == 3743


def test_the_pool_is_the_reference_s_in_order_and_bytes(live):
    ranking = pipeline.rank_live(live)
    assert ranking.symbols == (
        *("TRXUSDT", "LTCUSDT", "DOGEUSDT", "LATEUSDT", "LINKUSDT"),
    )
    assert ranking.regime == "late_momentum"
    assert ranking.regime_confidence == pytest.approx(0.3703, abs=5e-5)
    files = artifacts.render(ranking)
    universe_file = golden.GOLDEN / "expected" / "latest_universe.json"
    assert files["latest_universe.json"] == universe_file.read_bytes()
    assert artifacts.sha256(files["live_pool.json"]).startswith("3d52bc33")
    assert RANKING.encode() == files["latest_ranking.csv"]


# Percentiles are place / count to the last digit, and sums go rule, linear, ml.
RANKING = """\
as_of_date,symbol,rule_score,linear_score,ml_score,final_score,regime,confidence,selected_flag,current_rank
2025-04-14,TRXUSDT,0.8181818181818182,0.9090909090909091,1.0,0.9227272727272727,late_momentum,0.8290909090909091,True,1
2025-04-14,LTCUSDT,0.5454545454545454,0.8181818181818182,0.8181818181818182,0.7227272727272727,late_momentum,0.589230820992486,True,2
2025-04-14,DOGEUSDT,1.0,0.6363636363636364,0.5454545454545454,0.7181818181818181,late_momentum,0.4859180387929537,True,3
2025-04-14,LATEUSDT,0.9090909090909091,1.0,0.45454545454545453,0.6954545454545454,late_momentum,0.4056854268729835,True,4
2025-04-14,LINKUSDT,0.2727272727272727,0.45454545454545453,0.9090909090909091,0.6181818181818182,late_momentum,0.3012125881312011,True,5
2025-04-14,FLIKUSDT,0.45454545454545453,0.5454545454545454,0.6363636363636364,0.5590909090909091,late_momentum,0.5381818181818181,False,6
2025-04-14,ADAUSDT,0.7272727272727273,0.7272727272727273,0.2727272727272727,0.49999999999999994,late_momentum,0.2850816713511133,False,7
2025-04-14,XRPUSDT,0.6363636363636364,0.2727272727272727,0.36363636363636365,0.44545454545454544,late_momentum,0.41654552733096734,False,8
2025-04-14,AVAXUSDT,0.09090909090909091,0.09090909090909091,0.7272727272727273,0.4090909090909091,late_momentum,0.23184161261883118,False,9
2025-04-14,ETHUSDT,0.18181818181818182,0.36363636363636365,0.18181818181818182,0.20909090909090908,late_momentum,0.7067599412677179,False,10
2025-04-14,SOLUSDT,0.36363636363636365,0.18181818181818182,0.09090909090909091,0.2,late_momentum,0.6733608838197875,False,11
"""


@pytest.fixture(scope="module")
def live_files(live):
    return artifacts.render(pipeline.rank_live(live))


@pytest.mark.parametrize("unit", [1e-8, 12345.678])
def test_the_pool_does_not_depend_on_the_unit_of_the_prices(live_files, unit):
    prices = pl.col("open", "high", "low", "close") * unit
    other = pipeline.build_panel(
        golden.candles().with_columns(prices),
        mode="core_major",
        as_of=date(2025, 4, 14),
        config=CONFIG,
        metadata=golden.metadata(),
    )
    assert artifacts.render(pipeline.rank_live(other)) == live_files


@pytest.fixture(scope="module")
def real_candles():
    return pl.read_parquet(golden.REAL).with_columns(pl.col("date").cast(pl.Date))


@pytest.mark.skipif(not golden.REAL.exists(), reason="no real candles here")
@pytest.mark.parametrize("day", [date(2024, 9, 30), date(2024, 12, 31)])
def test_the_pool_of_real_coins_does_not_depend_on_the_unit_of_the_prices(
    real_candles, day
):
    candles = real_candles.filter(pl.col("date") <= day)

    def files(unit: float) -> dict[str, bytes]:
        prices = pl.col("open", "high", "low", "close") * unit
        panel = pipeline.build_panel(
            candles.with_columns(prices), mode="core_major", as_of=day
        )
        return artifacts.render(pipeline.rank_live(panel))

    assert files(7) == files(10) == files(1)
