"""Read daily candles for the pool: from the tape, or from a parquet file."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from django.conf import settings

from core import clock
from feeds.tape import reports
from livepool import artifacts
from livepool.errors import LivePoolError
from livepool.model.features import CANDLE_SCHEMA

METADATA = (
    *("symbol", "status", "base_asset", "quote_asset", "is_spot_trading_allowed"),
)


def daily_source() -> str:
    """Return the feed source of the daily candles."""
    return str(settings.ENV.livepool_source or settings.ENV.feed_source)


def last_complete_day() -> date:
    """Return the newest UTC day that is over."""
    return clock.now().date() - timedelta(days=1)


def from_tape(*, source: str, until: date) -> pl.DataFrame:
    """Return all closed daily candles of `source` up to the day `until`."""
    rows = reports.daily_candles(source=source, before=artifacts.completed_at(until))
    return pl.DataFrame(rows, schema=CANDLE_SCHEMA, orient="row")


def from_parquet(path: Path, *, until: date) -> pl.DataFrame:
    """Return the candles of a parquet file with the columns of `CANDLE_SCHEMA`.

    Raises LivePoolError, naming the file, when it is missing or something else.
    """
    with _readable(path):
        return (
            pl.scan_parquet(path)
            .select(pl.col(name).cast(kind) for name, kind in CANDLE_SCHEMA.items())
            .filter(pl.col("date") <= until)
            .collect()
        )


def read_metadata(path: Path) -> pl.DataFrame:
    """Return symbols' metadata from a CSV with the columns of `METADATA`.

    Raises LivePoolError, naming the file, when it is missing or something else.
    """
    with _readable(path):
        rows = pl.read_csv(path, infer_schema=False).select(*METADATA)
    is_allowed = pl.col("is_spot_trading_allowed").str.to_lowercase() == "true"
    return rows.with_columns(is_allowed)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise LivePoolError(f"there is no file {path}")
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise LivePoolError(f"{path} cannot be used: {reason}") from None
