"""Daily candles for the pool: from the tape, or from a parquet file."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
from django.db.models import FloatField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from feeds import clock
from feeds.models import FeedRecord
from livepool.features import CANDLE_SCHEMA

_FIELDS = ("open", "high", "low", "close", "volume", "quote_volume")


def last_complete_day() -> date:
    """The newest UTC day that is over."""
    return clock.now().date() - timedelta(days=1)


def from_tape(*, source: str, until: date) -> pl.DataFrame:
    """All closed daily candles of `source` up to the day `until`, in one statement."""
    numbers = {
        f"number_{name}": Cast(KeyTextTransform(name, "values"), FloatField())
        for name in _FIELDS
    }
    rows = (
        FeedRecord.objects.using("tape")
        .filter(
            source=source,
            kind="candle",
            granularity="1d",
            is_closed=True,
            ts_event__date__lte=until,
        )
        .order_by("subject", "ts_event")
        .values_list("ts_event__date", "subject", *numbers.values())
    )
    return pl.DataFrame(
        list(rows.iterator(chunk_size=20_000)), schema=CANDLE_SCHEMA, orient="row"
    )


def from_parquet(path: Path, *, until: date) -> pl.DataFrame:
    """The candles of a parquet file with the columns of `CANDLE_SCHEMA`."""
    return (
        pl.scan_parquet(path)
        .select(CANDLE_SCHEMA)
        .filter(pl.col("date") <= until)
        .collect()
    )
