"""Features of the live pool against one bare polars expression set; a whole build.

Ours: `tidy`, all per-symbol features, membership by hysteresis and the universe's
context, as a build runs them. The limit: the same 39 columns of each symbol as bare
lazy expressions on sorted input, nothing checked and no universe.
"""

import argparse
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.measure import compare, peak_mb, summary
from livepool import artifacts
from livepool.model import features, market_context, parameters, pipeline, universe

FIRST = date(2021, 1, 1)
YEAR = 365**0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--symbols", type=int, default=300)
    parser.add_argument("--days", type=int, default=1461)


def market(symbols: int, days: int) -> pl.DataFrame:
    """Random walks of BTC and others, sorted by symbol and date."""
    rng = np.random.default_rng(7)
    names = sorted(["BTCUSDT", *(f"C{n:03d}USDT" for n in range(symbols - 1))])
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.03, (symbols, days)), axis=1))
    opened = np.roll(close, 1, axis=1)
    spread = 1 + np.abs(rng.normal(0, 0.01, (symbols, days)))
    return pl.DataFrame(
        {
            "date": [FIRST + timedelta(days=n) for n in range(days)] * symbols,
            "symbol": np.repeat(names, days),
            "open": opened.ravel(),
            "high": (np.maximum(opened, close) * spread).ravel(),
            "low": (np.minimum(opened, close) / spread).ravel(),
            "close": close.ravel(),
            "volume": rng.uniform(1e6, 2e6, symbols * days),
            "quote_volume": rng.uniform(5e6, 8e7, symbols * days),
        }
    )


def ours(candles: pl.DataFrame) -> pl.DataFrame:
    settings = parameters.DEFAULT
    rows = features.symbol_features(features.tidy(candles), settings.features)
    refreshes = universe.history(
        rows, parameters.gates("core_major"), settings.universe
    )
    rows = universe.with_membership(rows, refreshes)
    return market_context.with_context(rows, settings.features)


def limit(candles: pl.DataFrame) -> pl.DataFrame:
    c, h, low, q = (pl.col(n) for n in ("close", "high", "low", "quote_volume"))
    d, b = pl.col("r"), pl.col("b")
    before = c.shift(1)
    span = pl.max_horizontal(h - low, (h - before).abs(), (low - before).abs())
    depth = (100 * (c / c.rolling_max(50) - 1)) ** 2
    first = {
        "r": c / before - 1,
        "age_days": pl.int_range(1, pl.len() + 1),
        "atr": span.rolling_mean(14) / c,
        "ulcer": depth.rolling_mean(50).sqrt(),
        "drawdown": c / c.rolling_max(180, min_samples=1) - 1,
        "tradable": (q > 0).cast(pl.Float64).rolling_mean(180, min_samples=30),
        **{f"roc{n}": c / c.shift(n) - 1 for n in (20, 60, 120)},
        **{f"sma{n}": c.rolling_mean(n) for n in (20, 60, 120, 200)},
        **{f"high{n}": c / c.rolling_max(n) - 1 for n in (90, 180)},
        **{f"quote{n}": q.rolling_mean(n) for n in (30, 90, 180)},
    }
    quotes = [pl.col(f"quote{n}") for n in (30, 90, 180)]
    above = (c > pl.col("sma200")).fill_null(value=False).cast(pl.Float64)
    second = {
        **{f"price{n}": c / pl.col(f"sma{n}") - 1 for n in (20, 60, 120, 200)},
        **{f"vol{n}": d.rolling_std(n) * YEAR for n in (20, 60)},
        "persist": above.rolling_mean(90),
        "slope": pl.col("sma200") / pl.col("sma200").shift(20) - 1,
        "breakout": pl.col("high90") + 1,
        "down": pl.min_horizontal(d.fill_null(0), 0).rolling_std(60) * YEAR,
        "stability": pl.min_horizontal(quotes) / pl.max_horizontal(quotes),
        "acceleration": quotes[0] / quotes[2] - 1,
        "severity": pl.col("drawdown").abs() * (1 + pl.col("ulcer").fill_null(0) / 100),
        "momentum": 0.5 * pl.col("roc20")
        + 0.3 * pl.col("roc60")
        + 0.2 * pl.col("roc120"),
    }
    third = {
        "beta": pl.rolling_cov(d, b, window_size=60) / b.rolling_var(60),
        "corr": pl.rolling_corr(d, b, window_size=60),
        "rs": pl.col("momentum") - pl.col("bm"),
    }
    rows = candles.lazy()
    for stage in (first, second):
        rows = rows.with_columns(e.over("symbol").alias(n) for n, e in stage.items())
    btc = rows.filter(pl.col("symbol") == "BTCUSDT").select(
        "date",
        d.alias("b"),
        pl.col("momentum").alias("bm"),
        pl.col("slope").alias("bs"),
    )
    rows = rows.join(btc, on="date", how="left", maintain_order="left")
    return (
        rows.with_columns(e.over("symbol").alias(n) for n, e in third.items())
        .with_columns(
            (pl.col("rs") / pl.col("vol20")).alias("rs_risk"),
            (pl.col("momentum") / pl.col("vol20")).alias("risk_momentum"),
        )
        .collect()
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    candles = market(args.symbols, args.days)
    result = compare(
        "livepool",
        ours=lambda: ours(candles),
        limit=lambda: limit(candles),
        reset=lambda: None,
        repeats=args.repeats,
        symbols=args.symbols,
        days=args.days,
        features=len(features.MODEL_FEATURES),
    )
    last = candles["date"].max()
    assert isinstance(last, date)
    return {**result, **build_figures(candles, last), **read_figures(candles, last)}


def build_figures(candles: pl.DataFrame, last: date) -> dict[str, Any]:
    """Wall time of a whole build with both models, and the process's peak memory."""
    start = time.perf_counter()
    ranking = pipeline.rank_live(
        pipeline.build_panel(candles, mode="core_major", as_of=last)
    )
    artifacts.render(ranking)
    return {
        "build_s": round(time.perf_counter() - start, 3),
        "build_members": len(ranking.universe),
        "build_peak_mb": peak_mb(),
    }


def read_figures(candles: pl.DataFrame, last: date) -> dict[str, Any]:
    """A consumer's verified read from the local store, in milliseconds."""
    from livepool.reader import Reader, document_file
    from livepool.release import document
    from livepool.release.release_files import ReleaseFiles
    from livepool.stores.local import LocalDocumentStore, LocalReleaseStore

    ranking = pipeline.rank_live(
        pipeline.build_panel(candles, mode="core_major", as_of=last)
    )
    files = artifacts.render(ranking)
    with tempfile.TemporaryDirectory() as folder:
        releases = LocalReleaseStore(Path(folder))
        documents = LocalDocumentStore(Path(folder), "strategy", "pool")
        version = artifacts.version_of(last, "core_major")
        releases.create_release(version, files)
        releases.point_current(version, files)
        made_at = artifacts.completed_at(last)
        documents.write(
            document.summary(ReleaseFiles(files).pool, releases, generated_at=made_at),
            expected=None,
        )
        reader = Reader(today=made_at.date)
        times = []
        for _ in range(200):
            start = time.perf_counter()
            pool = reader.load(document_file(documents.path))
            times.append(time.perf_counter() - start)
        assert pool.source == "fresh_upstream", pool.messages
    return {
        f"read_{k.replace('_s', '_ms')}": round(v * 1e3, 3)
        for k, v in summary(times).items()
    }
