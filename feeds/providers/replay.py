"""Recorded candles from a Parquet or CSV file, shown as the site's clock passes them.

Columns: open_time (or ts, timestamp, date), open, high, low, close, volume, and
optionally symbol; a file without symbol is the first of FEED_SUBJECTS.
"""

import math
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from core import clock
from core.grid import ceil_s
from feeds.errors import ReplayFileError, UnknownGranularityError, UnknownSubjectError
from feeds.granularity import seconds
from feeds.providers.base import (
    STANDARD_GRANULARITIES,
    FetchRequest,
    Subject,
    check_served,
    records,
)
from feeds.providers.push import poll
from feeds.tape.records import CANDLE, OHLCV, FeedKey, FeedRecord

TIME_COLUMNS = ("open_time", "ts", "timestamp", "date")
# Epoch numbers below each bound have this many units per second; larger ones are
# nanoseconds.
EPOCH_UNITS = {1e11: 1, 1e14: 10**3, 1e17: 10**6}

Columns = dict[str, NDArray[Any]]


def first_instant(path: str | Path) -> datetime:
    """Return when the file's first candle opens: the site's clock starts there."""
    return datetime.fromtimestamp(
        min(int(columns["at"][0]) for columns in load(Path(path)).values()), UTC
    )


def load(path: Path) -> dict[str, Columns]:
    """Load columns `at` (epoch seconds, ascending), open ... volume of each symbol.

    Raises ReplayFileError for a file that cannot be read or lacks a column.
    """
    if not path.is_file():
        found = "empty" if path == Path() else f"{str(path)!r}, which is not a file"
        raise ReplayFileError(
            f"FEED_REPLAY_PATH was {found}; give a Parquet or CSV file of candles"
        )
    return _load(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _load(path: Path, mtime_ns: int) -> dict[str, Columns]:  # noqa: ARG001  a changed file is another key of the cache
    import polars as pl

    is_csv = ".csv" in path.suffixes
    try:
        frame = (
            pl.read_csv(path, try_parse_dates=True) if is_csv else pl.read_parquet(path)
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ReplayFileError(f"{path} cannot be read: {error}") from None
    time_column = next((name for name in TIME_COLUMNS if name in frame.columns), None)
    missing = [name for name in OHLCV if name not in frame.columns]
    if time_column is None:
        missing.insert(0, f"open_time (or {', '.join(TIME_COLUMNS[1:])})")
    if missing or time_column is None:
        raise ReplayFileError(
            f"{path} lacks {', '.join(missing)}; it has {', '.join(frame.columns)}"
        )
    if frame.is_empty():
        raise ReplayFileError(f"{path} holds no candles")
    at = _epoch_seconds(path, frame[time_column])
    frame = frame.with_columns(pl.Series("at", at)).sort("at", maintain_order=True)
    if "symbol" not in frame.columns:
        frame = frame.with_columns(pl.lit(_only_subject()).alias("symbol"))
    try:
        frame = frame.select(
            "symbol", "at", *(pl.col(name).cast(pl.Float64) for name in OHLCV)
        ).unique(["symbol", "at"], keep="last", maintain_order=True)
    except pl.exceptions.PolarsError as error:
        raise ReplayFileError(
            f"{path} contains a price that is not a number: {error}"
        ) from (None)
    return {
        str(symbol): {name: part[name].to_numpy() for name in ("at", *OHLCV)}
        for (symbol,), part in frame.partition_by(
            "symbol", as_dict=True, maintain_order=True
        ).items()
    }


def _only_subject() -> str:
    subjects: tuple[str, ...] = settings.ENV.subjects
    if not subjects:
        raise ReplayFileError("FEED_SUBJECTS was empty; name the file's subject there")
    return subjects[0]


def _epoch_seconds(path: Path, column: Any) -> NDArray[np.int64]:
    """Return instants, dates or epoch numbers (s, ms, us or ns) as epoch seconds."""
    if column.null_count():
        raise ReplayFileError(f"{path} has rows without {column.name!r}")
    if column.dtype.is_temporal():
        return column.dt.epoch("s").cast(int).to_numpy()
    if not column.dtype.is_numeric():
        raise ReplayFileError(
            f"{path} has {column.name!r} values like {column[0]!r}; "
            "give instants like 2023-03-01T00:00:00Z"
        )
    numbers = column.to_numpy()
    if not np.isfinite(numbers).all():
        raise ReplayFileError(f"{path} has {column.name!r} values that are not numbers")
    # Row by row: exchanges have changed the unit in the middle of a file.
    size = np.abs(numbers)
    divisor = np.select(
        [size < most for most in EPOCH_UNITS],
        list(EPOCH_UNITS.values()),
        default=10**9,
    )
    return (numbers // divisor.astype(numbers.dtype)).astype(np.int64)


def _length_s(columns: Columns) -> int:
    """Return the file's candle length: the most frequent distance of its instants."""
    if len(columns["at"]) < 2:
        return 60
    values, counts = np.unique(np.diff(columns["at"]), return_counts=True)
    return values[counts.argmax()].item()


class Replay:
    """A recorded market on the site's clock; candles appear when they are closed."""

    name = "replay"
    kinds = (CANDLE,)
    granularities = None
    page_limit = 10_000

    def list_subjects(self) -> list[Subject]:
        return [
            Subject(
                symbol,
                self.kinds,
                tuple(
                    g
                    for g in STANDARD_GRANULARITIES
                    if seconds(g) % _length_s(columns) == 0
                ),
                self.name,
            )
            for symbol, columns in load(Path(settings.ENV.feed_replay_path)).items()
        ]

    def fetch(self, request: FetchRequest) -> list[FeedRecord]:
        check_served(self, request)
        path = Path(settings.ENV.feed_replay_path)
        market = load(path)
        if request.subject not in market:
            raise UnknownSubjectError(
                f"subject was {request.subject!r}; "
                f"{path} holds {', '.join(sorted(market))}"
            )
        columns = market[request.subject]
        length, own = seconds(request.granularity), _length_s(columns)
        if length % own:
            raise UnknownGranularityError(
                f"granularity was {request.granularity!r}; "
                f"{path} holds candles of {own} s, so give a multiple of that"
            )
        now = clock.now()
        until = min(request.end.timestamp(), now.timestamp() - length + 1e-6)
        first = ceil_s(request.start.timestamp(), length)
        start, stop = np.searchsorted(columns["at"], [first, until])
        if length > own:
            stop = np.searchsorted(columns["at"], math.ceil(until / length) * length)
        part = {name: values[start:stop] for name, values in columns.items()}
        part = _aggregate(part, length) if length > own else part
        rows = {name: values[: request.limit].tolist() for name, values in part.items()}
        at = rows.pop("at")
        return records(request.key(self.name), at, rows, closed_before=now)

    def listen(self, feeds: Sequence[FeedKey]) -> AsyncGenerator[FeedRecord]:
        return poll(self, feeds)


def _aggregate(columns: Columns, length: int) -> Columns:
    """Combine shorter candles into candles of `length` seconds."""
    if not len(columns["at"]):
        return columns
    at = columns["at"] // length * length
    starts = np.flatnonzero(np.diff(at, prepend=at[0] - 1))
    ends = np.append(starts[1:], len(at)) - 1
    return {
        "at": at[starts],
        "open": columns["open"][starts],
        "high": np.maximum.reduceat(columns["high"], starts),
        "low": np.minimum.reduceat(columns["low"], starts),
        "close": columns["close"][ends],
        "volume": np.add.reduceat(columns["volume"], starts),
    }
