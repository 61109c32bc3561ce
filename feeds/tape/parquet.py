"""Store history as files: one Parquet file for each feed and UTC day.

`{base}/{source}/{subject}/{kind}/{granularity}/YYYY-MM-DD.parquet`. A file is merged
without duplicates, sorted, and replaced atomically: a reader sees the old or the new
one.
"""

import fcntl
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings

from core import clock
from core.files import replacing
from feeds.errors import FeedError
from feeds.tape.record_checks import NAME, SKEW, checker
from feeds.tape.records import OHLCV, FeedKey, FeedRecord

WRITERS = 4
_INSTANT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("ts_event", _INSTANT),
        *((name, pa.string()) for name in FeedKey._fields),
        *((name, pa.float64()) for name in OHLCV),
        ("meta", pa.string()),
    ]
)
_DIMENSIONS = attrgetter(*FeedKey._fields)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400_000_000


class ParquetError(FeedError):
    code = "parquet_file"
    status = 503


@dataclass(frozen=True)
class DayFile:
    """One file of the store; `path` is relative to its base."""

    path: str
    records: int
    size_bytes: int
    date: date


def base() -> Path:
    folder: Path = settings.ENV.backfill_dir
    return folder


def write(records: Iterable[FeedRecord]) -> int:
    """Merge closed records into their days' files; return how many were given.

    Of two records of one instant the last one stays. Raises ParquetError for a file
    that cannot be read, which is left as it is, and OSError for a full disk.
    """
    written = 0
    closed = [record for record in records if record.is_closed]
    for dimensions, group in groupby(closed, key=_DIMENSIONS):
        key = FeedKey(*dimensions)
        table = _table(key, list(group))
        written += table.num_rows
        folder = base().joinpath(*key)
        folder.mkdir(parents=True, exist_ok=True)
        # Most of the time is spent waiting for the disk.
        with _locked(folder), ThreadPoolExecutor(WRITERS) as pool:
            merges = [
                pool.submit(_merge, folder / f"{day}.parquet", part)
                for day, part in _days(table)
            ]
        for merge in merges:
            merge.result()
    return written


def storable_records(records: Sequence[FeedRecord]) -> list[FeedRecord]:
    """Return the records that the tape would not refuse."""
    newest = clock.now() + SKEW
    found: list[FeedRecord] = []
    for dimensions, group in groupby(records, key=_DIMENSIONS):
        check = checker(FeedKey(*dimensions), newest=newest)
        found += [record for record in group if check(record) is None]
    return found


def index() -> list[DayFile]:
    """Return the readable files that the store wrote, in the order of their paths."""
    root = base()
    found = (_day_file(root, path) for path in sorted(root.glob("*/*/*/*/*.parquet")))
    return [file for file in found if file is not None]


def _day_file(root: Path, path: Path) -> DayFile | None:
    """Describe a file of the store; None for one that it did not write."""
    relative = path.relative_to(root)
    try:
        day = date.fromisoformat(path.stem)
        stat = path.stat()
    except (ValueError, OSError):  # it has another name, or was deleted meanwhile
        return None
    if day.isoformat() != path.stem or not all(map(NAME.fullmatch, relative.parts)):
        return None
    records = _row_count(path, stat.st_mtime_ns, stat.st_size)
    if records is None:
        return None
    return DayFile(relative.as_posix(), records, stat.st_size, day)


def locate(parts: Sequence[str]) -> Path | None:
    """Return the file of these path parts, or None; never one outside the store."""
    *names, filename = parts
    if not all(NAME.fullmatch(name) for name in names):
        return None
    if not filename.endswith(".parquet") or not NAME.fullmatch(filename):
        return None
    root = base().resolve()
    path = root.joinpath(*parts).resolve()
    return path if path.is_relative_to(root) and path.is_file() else None


def _table(key: FeedKey, records: list[FeedRecord]) -> pa.Table:
    """Return the columns of one feed, sorted by instant, without repeats."""
    count = len(records)
    columns: dict[str, Any] = {
        "ts_event": pa.array([record.ts_event for record in records], _INSTANT)
    }
    for name, text in zip(key._fields, key, strict=True):
        columns[name] = pa.repeat(text, count)
    try:
        columns |= _numbers(records)
        is_plain = not any(r.meta or len(r.values) > len(OHLCV) for r in records)
    except (KeyError, TypeError, pa.ArrowException):
        columns |= _numbers_or_null(records)
        is_plain = False
    columns["meta"] = (
        pa.repeat("{}", count)
        if is_plain
        else pa.array([_meta(record) for record in records], pa.string())
    )
    return _sorted(pa.table(columns, schema=SCHEMA))


def _numbers(records: list[FeedRecord]) -> dict[str, pa.Array]:
    """Return the numbers of candles, if each has all of them: the fast, usual case."""
    return {
        name: pa.array([record.values[name] for record in records], pa.float64())
        for name in OHLCV
    }


def _numbers_or_null(records: list[FeedRecord]) -> dict[str, pa.Array]:
    """Return the existing numbers; a tick's price becomes its close, for backtests."""
    columns = {}
    for name in OHLCV:
        other = "price" if name == "close" else name
        found = [
            record.values.get(name, record.values.get(other)) for record in records
        ]
        columns[name] = pa.array(
            [value if isinstance(value, (int, float)) else None for value in found],
            pa.float64(),
        )
    return columns


def _meta(record: FeedRecord) -> str:
    extra = {k: v for k, v in record.values.items() if k not in OHLCV}
    if record.meta:
        extra["_record_meta"] = record.meta
    return json.dumps(extra, allow_nan=False, separators=(",", ":"))


def _sorted(table: pa.Table) -> pa.Table:
    """Sort by instant; of equal instants the last row stays."""
    at = table["ts_event"].cast(pa.int64()).to_numpy()
    if (np.diff(at) > 0).all():
        return table
    order = np.argsort(at, kind="stable")
    is_last = np.append(np.diff(at[order]) > 0, True)
    return table.take(order[is_last])


def _days(table: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    days = table["ts_event"].cast(pa.int64()).to_numpy() // _DAY_US
    cuts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
    for start, end in pairwise(cuts):
        if start < end:
            day = (_EPOCH + timedelta(days=int(days[start]))).date()
            yield day, table.slice(start, end - start)


def _merge(path: Path, part: pa.Table) -> None:
    if path.exists():
        try:
            before = pq.ParquetFile(path).read()
        except (pa.ArrowException, OSError) as error:
            raise ParquetError(
                f"{path} cannot be read ({error}); move it away, then run again"
            ) from None
        merged = _sorted(pa.concat_tables([before, part]))
        if merged.equals(before):
            return
        part = merged
    # Left by a writer that was killed.
    for leftover in path.parent.glob(f".{path.name}.*"):
        leftover.unlink(missing_ok=True)
    with replacing(path) as draft:
        pq.write_table(part, draft)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a feed for one writer: of two, each would lose what the other merged."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@lru_cache(maxsize=65_536)
def _row_count(path: Path, mtime_ns: int, size: int) -> int | None:  # noqa: ARG001  a changed file is another key
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return None
