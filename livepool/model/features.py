"""Compute features of daily candles: per symbol, against the benchmark, per date.

Pure columns (polars): no Django, no network, no clock. Windows count rows of a symbol,
and a window that is not full yields null unless stated. `r` is the daily return, `c`
the close; standard deviations are sample ones (ddof 1), annualised with sqrt(365).
"""

import math

import polars as pl

from livepool.errors import LivePoolError
from livepool.model.parameters import BENCHMARK, FeatureConfig

CANDLE_SCHEMA = {
    "date": pl.Date,
    "symbol": pl.String,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Float64,
    "quote_volume": pl.Float64,
}

# The models' inputs, in this order (part of the contract with trained models).
MODEL_FEATURES = (
    *("roc20", "roc60", "roc120", "rs20", "rs60", "rs120", "rs_combo", "rs_risk_adj"),
    *("price_vs_sma20", "price_vs_sma60", "price_vs_sma120", "price_vs_sma200"),
    *("trend_persist_90", "ma200_slope", "dist_to_90d_high", "dist_to_180d_high"),
    *("breakout_proximity", "vol20", "vol60", "momentum_combo"),
    *("risk_adjusted_momentum", "downside_volatility", "atr_ratio"),
    *("rolling_drawdown", "ulcer_index", "drawdown_severity", "quote_volume"),
    *("avg_quote_vol_30", "avg_quote_vol_90", "avg_quote_vol_180"),
    *("liquidity_stability", "age_days", "tradable_ratio_180"),
    *("rolling_beta_to_btc", "rolling_corr_to_btc", "recent_liquidity_acceleration"),
    *("btc_above_ma200", "btc_ma200_slope", "btc_zscore_120"),
    *("breadth_above_sma60", "breadth_above_sma200"),
    *("universe_momentum_dispersion", "universe_rs_dispersion", "single_leader_burst"),
)

# Decimals. Values are rounded to these before they are compared (bins, ranks, signs,
# thresholds): another unit of price changes the last digits of a feature, and must not
# change an order.
GRID = 10

_YEAR = math.sqrt(365.0)
_SMA = (20, 60, 120, 200)
_ROC = (20, 60, 120)


class FeatureError(LivePoolError):
    """The candles cannot be used; the message says which and why."""

    code = "livepool_candles"
    status = 422


def tidy(candles: pl.DataFrame) -> pl.DataFrame:
    """Return candles typed and sorted, with one row per symbol and date.

    Of two rows for one symbol and date the last wins. Infinite values become null.
    """
    missing = [name for name in CANDLE_SCHEMA if name not in candles.columns]
    if missing:
        raise FeatureError(f"candles lack the columns {', '.join(missing)}")
    numbers = [name for name, kind in CANDLE_SCHEMA.items() if kind == pl.Float64]
    rows = candles.select(
        pl.col(name).cast(kind) for name, kind in CANDLE_SCHEMA.items()
    ).with_columns(_finite(pl.col(name)).alias(name) for name in numbers)
    symbol, day = pl.col("symbol"), pl.col("date")
    before = symbol.shift(1)
    ascending = (symbol > before) | ((symbol == before) & (day > day.shift(1)))
    if rows.select(ascending.slice(1).all()).item():
        return rows  # the tape and most files are in order: nothing to sort or drop
    return rows.sort("symbol", "date", maintain_order=True).filter(
        (symbol != symbol.shift(-1)).fill_null(value=True)
        | (day != day.shift(-1)).fill_null(value=True)
    )


def _finite(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_finite()).then(value)


def is_above_zero(value: pl.Expr) -> pl.Expr:
    """Return whether a value is above zero by more than rounding; null stays null."""
    return value.round(GRID) > 0


def _mean(column: str, window: int, minimum: int | None = None) -> pl.Expr:
    return pl.col(column).rolling_mean(window, min_samples=minimum).over("symbol")


def _std(column: str, window: int) -> pl.Expr:
    return pl.col(column).rolling_std(window).over("symbol")


def _blend(prefix: str) -> pl.Expr:
    return (
        0.5 * pl.col(f"{prefix}20")
        + 0.3 * pl.col(f"{prefix}60")
        + 0.2 * pl.col(f"{prefix}120")
    )


def _per_risk(column: str) -> pl.Expr:
    """Divide a momentum by the volatility; null for a price that does not move."""
    risk = pl.col("vol20")
    return pl.when(is_above_zero(risk)).then(pl.col(column) / risk)


def _per_symbol(config: FeatureConfig) -> list[list[pl.Expr]]:
    """Return the features of a symbol in stages; each reads columns of those before."""
    close = pl.col("close")
    before = close.shift(1).over("symbol")
    true_range = pl.max_horizontal(
        pl.col("high") - pl.col("low"),
        (pl.col("high") - before).abs(),
        (pl.col("low") - before).abs(),
    )
    averages = [pl.col(f"avg_quote_vol_{days}") for days in (30, 90, 180)]
    stability = pl.min_horizontal(averages) / pl.max_horizontal(averages)
    drawdown = (
        close / close.rolling_max(config.drawdown_window, min_samples=1).over("symbol")
        - 1
    )
    ulcer_depth = 100 * (
        close / close.rolling_max(config.ulcer_window).over("symbol") - 1
    )
    return [
        [
            (close / before - 1).alias("daily_return"),
            true_range.alias("_true_range"),
            ulcer_depth.pow(2).alias("_ulcer_square"),
            drawdown.alias("rolling_drawdown"),
            ((pl.col("quote_volume") > 0) & close.is_not_null())
            .cast(pl.Float64)
            .alias("_tradable"),
            pl.int_range(1, pl.len() + 1).over("symbol").alias("age_days"),
            *(_mean("close", n).alias(f"sma{n}") for n in _SMA),
            *(
                (close / close.shift(n).over("symbol") - 1).alias(f"roc{n}")
                for n in _ROC
            ),
            *(
                (close / close.rolling_max(n).over("symbol")).alias(f"_high{n}")
                for n in (90, 180)
            ),
            *(
                _mean("quote_volume", n).alias(f"avg_quote_vol_{n}")
                for n in (30, 90, 180)
            ),
        ],
        [
            *((close / pl.col(f"sma{n}") - 1).alias(f"price_vs_sma{n}") for n in _SMA),
            is_above_zero(close / pl.col("sma200") - 1)
            .fill_null(value=False)
            .cast(pl.Float64)
            .alias("_above_sma200"),
            (pl.col("sma200") / pl.col("sma200").shift(20).over("symbol") - 1).alias(
                "ma200_slope"
            ),
            (pl.col("_high90") - 1).alias("dist_to_90d_high"),
            (pl.col("_high180") - 1).alias("dist_to_180d_high"),
            pl.col("_high90").alias("breakout_proximity"),
            *((_std("daily_return", n) * _YEAR).alias(f"vol{n}") for n in (20, 60)),
            _blend("roc").alias("momentum_combo"),
            pl.min_horizontal(pl.col("daily_return").fill_null(0.0), 0.0).alias(
                "_downside"
            ),
            (_mean("_true_range", config.atr_window) / close).alias("atr_ratio"),
            _mean("_ulcer_square", config.ulcer_window).sqrt().alias("ulcer_index"),
            stability.alias("liquidity_stability"),
            _mean("_tradable", 180, 30).alias("tradable_ratio_180"),
            (pl.col("avg_quote_vol_30") / pl.col("avg_quote_vol_180") - 1).alias(
                "recent_liquidity_acceleration"
            ),
        ],
        [
            _mean("_above_sma200", 90).alias("trend_persist_90"),
            _per_risk("momentum_combo").alias("risk_adjusted_momentum"),
            (_std("_downside", config.downside_window) * _YEAR).alias(
                "downside_volatility"
            ),
            (
                pl.col("rolling_drawdown").abs()
                * (1 + pl.col("ulcer_index").fill_null(0.0) / 100)
            ).alias("drawdown_severity"),
        ],
        [
            (-pl.col("downside_volatility")).alias("downside_vol_penalty"),
            (-pl.col("drawdown_severity")).alias("drawdown_penalty"),
        ],
    ]


def _benchmark(panel: pl.DataFrame) -> pl.DataFrame:
    """Return the benchmark's own columns, one row per date, to be joined by date."""
    own = panel.filter(pl.col("symbol") == BENCHMARK)
    if own.is_empty():
        raise FeatureError(f"the candles hold no {BENCHMARK}, the benchmark")
    deviation = pl.col("close").rolling_std(120)
    return own.select(
        "date",
        pl.col("daily_return").alias("_btc_return"),
        *(pl.col(f"roc{n}").alias(f"_btc_roc{n}") for n in _ROC),
        is_above_zero(pl.col("price_vs_sma200"))
        .fill_null(value=False)
        .cast(pl.Float64)
        .alias("btc_above_ma200"),
        pl.col("ma200_slope").alias("btc_ma200_slope"),
        pl.when(is_above_zero(deviation / pl.col("sma120")))
        .then((pl.col("close") - pl.col("sma120")) / deviation)
        .alias("btc_zscore_120"),
    )


def _relative(config: FeatureConfig) -> list[list[pl.Expr]]:
    window = config.beta_window
    own = pl.col("symbol") == BENCHMARK
    asset, btc = pl.col("daily_return"), pl.col("_btc_return")
    covariance = pl.rolling_cov(asset, btc, window_size=window).over("symbol")
    correlation = pl.rolling_corr(asset, btc, window_size=window).over("symbol")
    variance = btc.rolling_var(window).over("symbol")
    btc_moves = is_above_zero(variance.sqrt())
    moves = is_above_zero(asset.rolling_std(window).over("symbol"))
    return [
        [
            *(
                (pl.col(f"roc{n}") - pl.col(f"_btc_roc{n}")).alias(f"rs{n}")
                for n in _ROC
            ),
            pl.when(own)
            .then(1.0)
            .when(btc_moves)
            .then(covariance / variance)
            .alias("rolling_beta_to_btc"),
            pl.when(own)
            .then(1.0)
            .when(btc_moves & moves)
            .then(correlation)
            .alias("rolling_corr_to_btc"),
        ],
        [_blend("rs").alias("rs_combo")],
        [_per_risk("rs_combo").alias("rs_risk_adj")],
    ]


def symbol_features(candles: pl.DataFrame, config: FeatureConfig) -> pl.DataFrame:
    """Compute all features that do not depend on who is in the universe.

    `candles` are tidy (see `tidy`). Returns one row a symbol and date, sorted by them.
    Raises FeatureError when the benchmark is missing.
    """
    panel = candles.lazy()
    for stage in _per_symbol(config):
        panel = panel.with_columns(stage)
    rows = panel.collect()
    benchmark = _benchmark(rows)
    joined = rows.lazy().join(
        benchmark.lazy(), on="date", how="left", maintain_order="left"
    )
    for stage in _relative(config):
        joined = joined.with_columns(stage)
    columns = joined.collect_schema()
    return joined.select(
        _finite(pl.col(name)).alias(name) if kind == pl.Float64 else name
        for name, kind in columns.items()
        if not name.startswith("_")
    ).collect()
