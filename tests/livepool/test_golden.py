"""Features, labels, universe and regime against the reference's values."""

from dataclasses import replace
from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from livepool import (
    artifacts,
    config,
    features,
    labels,
    pipeline,
    regime,
    training,
    universe,
)
from tests.livepool import golden

pytestmark = golden.needs_golden

# The reference excludes JUP because its name holds "UP"; here exclusion is by symbol.
CONFIG = replace(
    config.DEFAULT, universe=config.UniverseConfig(excluded_symbols={"JUPUSDT"})
)


@pytest.fixture(scope="module")
def panel():
    rows = features.symbol_features(features.tidy(golden.candles()), CONFIG.features)
    refreshes = universe.history(
        rows, config.gates("core_major"), CONFIG.universe, golden.metadata()
    )
    rows = universe.with_membership(rows, refreshes)
    rows = regime.with_regime(features.with_context(rows, CONFIG.features))
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
    assert set(features.MODEL_FEATURES) - set(expected.columns) == set(features.CONTEXT)
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
            pl.col(*features.CONTEXT, "regime", "regime_confidence").first(),
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


def test_the_pool_has_the_reference_s_members(live):
    """Their order hangs on the last digits of the trees' inputs; their set does not."""
    ranking = pipeline.rank_live(live)
    assert set(ranking.symbols) == {
        *("TRXUSDT", "LTCUSDT", "DOGEUSDT", "LATEUSDT", "LINKUSDT")
    }
    assert ranking.regime == "late_momentum"
    assert ranking.regime_confidence == pytest.approx(0.3703, abs=5e-5)
    first = ranking.rows.row(0, named=True)
    assert (first["symbol"], first["final_score"]) == (
        "TRXUSDT",
        pytest.approx(0.9227272727272727),
    )
    expected = golden.GOLDEN / "expected" / "latest_universe.json"
    files = artifacts.render(ranking)
    assert files["latest_universe.json"] == expected.read_bytes()
