"""Classify the market on a date, from the benchmark and the universe's breadth."""

import polars as pl

from livepool.model.features import GRID, is_above_zero

REGIMES = ("risk_off", "btc_dominant", "broad_alt_strength", "late_momentum")


def with_regime(panel: pl.DataFrame) -> pl.DataFrame:
    """Add `regime` and `regime_confidence` (0 to 1). The first match wins.

    Unknown values match nothing; a date with nothing known is late_momentum with 0.
    """
    up = (pl.col("btc_above_ma200") > 0.5).fill_null(value=False)
    b60, b200 = pl.col("breadth_above_sma60"), pl.col("breadth_above_sma200")
    z = pl.col("btc_zscore_120")
    burst = pl.col("single_leader_burst")
    momentum = pl.col("universe_momentum_dispersion")
    spread = pl.col("universe_rs_dispersion")

    def above_zero(value: pl.Expr) -> pl.Expr:
        return pl.max_horizontal(value.fill_null(0.0), 0.0)

    wide60, wide200 = b60.round(GRID), b200.round(GRID)
    lead = burst.round(GRID) >= above_zero(momentum).round(GRID)
    one_leader = lead.fill_null(value=False)
    risk_off = (~up & (wide200 < 0.35)).fill_null(value=False) | (
        wide60 < 0.25
    ).fill_null(value=False)
    btc_dominant = (up & (wide60 < 0.35) & is_above_zero(z)).fill_null(value=False)
    broad = (up & (wide60 > 0.55) & (wide200 > 0.40)).fill_null(
        value=False
    ) & ~one_leader
    regime = (
        pl.when(risk_off)
        .then(pl.lit("risk_off"))
        .when(btc_dominant)
        .then(pl.lit("btc_dominant"))
        .when(broad)
        .then(pl.lit("broad_alt_strength"))
        .otherwise(pl.lit("late_momentum"))
    )
    confidence = (
        pl.when(risk_off)
        .then(above_zero(0.35 - b200.fill_null(0.0)) * 2.5)
        .when(btc_dominant)
        .then(above_zero(0.35 - b60) * 2.5 + pl.min_horizontal(0.5, z / 3))
        .when(broad)
        .then(above_zero(b60 - 0.55) * 2 + above_zero(b200 - 0.40) * 2)
        .otherwise(above_zero(burst) + above_zero(spread))
    )
    return panel.with_columns(
        regime.alias("regime"), confidence.clip(0.0, 1.0).alias("regime_confidence")
    )
