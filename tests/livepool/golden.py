"""The reference's golden values; tests that need them skip where they are absent."""

import json
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[3] / "shared" / "data" / "live_pool"
GOLDEN = ROOT / "golden"
REAL = ROOT.parent / "daily_candles.parquet"

# Features of the whole market, which the reference keeps apart from a coin's own.
CONTEXT = (
    "breadth_above_sma60",
    "breadth_above_sma200",
    "universe_momentum_dispersion",
    "universe_rs_dispersion",
    "single_leader_burst",
)

needs_golden = pytest.mark.skipif(
    not GOLDEN.exists(), reason="the reference's golden values are not on this machine"
)


def candles() -> pl.DataFrame:
    return pl.concat(
        pl.read_csv(path, try_parse_dates=True, infer_schema_length=None).select(
            "date",
            "symbol",
            pl.col("open", "high", "low", "close", "volume", "quote_volume").cast(
                pl.Float64
            ),
        )
        for path in sorted((GOLDEN / "input" / "raw").glob("*.csv"))
    )


def metadata() -> pl.DataFrame:
    return pl.read_csv(GOLDEN / "input" / "symbol_metadata.csv")


def expected(name: str) -> pl.DataFrame:
    return pl.read_csv(
        GOLDEN / "expected" / name, try_parse_dates=True, infer_schema_length=None
    )


def expected_json(name: str):
    return json.loads((GOLDEN / "expected" / name).read_text())
