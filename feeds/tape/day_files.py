"""Whole days of the tape as files that need nothing but numpy to read.

`{days}/{source}/{subject}/{kind}/{granularity}/YYYY-MM-DD.npz`: `opened_us`, and a
column for each number that the records have, NaN where one lacks it. A file is made
when it is first asked for, from closed records alone, and again once records came in
late or were corrected. What retention drops from the tape stays in it.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core import clock
from core.files import replacing
from feeds.errors import FeedError
from feeds.tape import parquet, reads
from feeds.tape.record_checks import NAME
from feeds.tape.records import FeedKey, span

MOST_DAYS = 62
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DaysError(FeedError):
    """A range or a feed of which there are no days."""

    code = "days_invalid"
    status = 422


@dataclass(frozen=True)
class DayOfTape:
    """A day's file, with the digest by which a download is verified."""

    path: Path
    date: date
    records: int
    size_bytes: int
    sha256: str


def days(key: FeedKey, *, first: date, last: date) -> Iterator[DayOfTape]:
    """Yield the days of a feed from `first` to `last` that are over and on the tape.

    Raises DaysError for a range of more than MOST_DAYS, or a name that is none.
    """
    if not all(NAME.fullmatch(part) for part in key):
        raise DaysError(f"the feed was {key.id}; that is no feed.")
    if (last - first).days >= MOST_DAYS:
        raise DaysError(
            f"the range was {first} to {last}; at most {MOST_DAYS} days are listed."
        )
    watermark = reads.watermark(key=key)
    if watermark is None:
        return
    closed_at = min(clock.now(), watermark + span(key.kind, key.granularity))
    day = first
    while day <= last and _start(day) + _DAY <= closed_at:
        path = _path(key, day)
        if _is_current(key, day, path) or _make(key, day, path):
            yield _of_version(path, day)
        day += _DAY


def find_day(parts: tuple[str, ...]) -> Path | None:
    """Return the file of a day that was listed, from its address; None without one."""
    *key, filename = parts
    if not all(NAME.fullmatch(part) for part in key) or not filename.endswith(".npz"):
        return None
    try:
        day = date.fromisoformat(filename.removesuffix(".npz"))
    except ValueError:
        return None
    path = _path(FeedKey(*key), day)
    return path if path.is_file() else None


def forget(key: FeedKey, corrected: Iterable[date]) -> None:
    """Delete the files of days whose records were corrected: they are made anew.

    Not those of which retention has dropped a part.
    """
    for day in corrected:
        path, start = _path(key, day), _start(day)
        if path.exists() and (
            reads.count(key=key, start=start, end=start + _DAY)
            >= _of_version(path, day).records
        ):
            path.unlink(missing_ok=True)


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _path(key: FeedKey, day: date) -> Path:
    return parquet.base().with_name("days").joinpath(*key, f"{day.isoformat()}.npz")


def _is_current(key: FeedKey, day: date, path: Path) -> bool:
    """Return whether the file has all records of its day that the tape has."""
    if not path.exists():
        return False
    records = _of_version(path, day).records
    length = span(key.kind, key.granularity)
    if length and records == _DAY / length:  # the tape is not asked about full days
        return True
    start = _start(day)
    return reads.count(key=key, start=start, end=start + _DAY) <= records


def _make(key: FeedKey, day: date, path: Path) -> bool:
    """Write the file of a day; return False for a day without records."""
    length = span(key.kind, key.granularity)
    start = _start(day)
    records = [
        record
        for record in reads.closed_records(
            key=key, since=start + length, until=start + _DAY + length
        )
        if start <= record.ts_event < start + _DAY
    ]
    if not records:
        return False
    names = sorted(
        {
            name
            for record in records
            for name, value in record.values.items()
            if isinstance(value, int | float)
        }
    )
    columns: dict[str, Any] = {
        name: np.array([_number(r.values.get(name)) for r in records]) for name in names
    }
    opened_us = [(r.ts_event - _EPOCH) // timedelta.resolution for r in records]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as draft, draft.open("wb") as file:
        np.savez_compressed(file, opened_us=np.array(opened_us, np.int64), **columns)
    return True


def _number(value: object) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else np.nan  # type: ignore[arg-type]  # it is one


def _of_version(path: Path, day: date) -> DayOfTape:
    return _described(path, day, path.stat().st_mtime_ns)


@lru_cache(maxsize=4096)
def _described(path: Path, day: date, mtime_ns: int) -> DayOfTape:  # noqa: ARG001  part of the cache's key
    """Describe a file; `mtime_ns` says which version of it."""
    data = path.read_bytes()
    with np.load(path, allow_pickle=False) as found:
        records = len(found["opened_us"])
    return DayOfTape(path, day, records, len(data), hashlib.sha256(data).hexdigest())
