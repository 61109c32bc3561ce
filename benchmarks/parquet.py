"""A million candles into daily files, through the sink that backfills write with.

The limit is pyarrow writing the same rows in one call, from the same records. A month
of the files is then read back through the API's own view, beside a plain read.
"""

import argparse
import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measure import compare

START = datetime(2024, 1, 1, tzinfo=UTC)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=20_000)


def run(args: argparse.Namespace) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from django.conf import settings

    from feeds.tape import parquet
    from feeds.tape.records import OHLCV, FeedKey, FeedRecord

    folder = Path(tempfile.mkdtemp(dir=settings.VAR_DIR))
    settings.ENV = settings.ENV.model_copy(
        update={"backfill_data_dir": folder / "ours"}
    )
    key = FeedKey("bench", "BTCUSDT", "candle", "1m")
    records = [
        FeedRecord(*key, START + timedelta(minutes=i), _values(i))
        for i in range(args.rows)
    ]

    def ours() -> None:
        for start in range(0, len(records), args.batch):
            parquet.write(records[start : start + args.batch])

    def limit() -> None:
        columns: dict[str, Any] = {
            "ts_event": [record.ts_event for record in records],
            **{
                name: [text] * len(records)
                for name, text in zip(key._fields, key, strict=True)
            },
            **{name: [r.values[name] for r in records] for name in OHLCV},
            "meta": ["{}"] * len(records),
        }
        table = pa.table(columns, schema=parquet.SCHEMA)
        pq.write_table(table, folder / "limit.parquet")

    def reset() -> None:
        shutil.rmtree(folder / "ours", ignore_errors=True)

    try:
        result = compare(
            "parquet",
            ours=ours,
            limit=limit,
            reset=reset,
            repeats=args.repeats,
            rows=len(records),
            batch=args.batch,
        )
        result["rows_per_s"] = round(len(records) / result["ours"]["median_s"])
        reset()
        ours()
        result |= _read_back(folder / "ours")
    finally:
        shutil.rmtree(folder)
    return result


def _values(i: int) -> dict[str, float]:
    price = 60_000 + (i * 37 % 1000) / 7
    return {
        "open": price,
        "high": price + 3.21,
        "low": price - 2.5,
        "close": price + 1.07,
        "volume": (i % 97) * 1.37,
    }


def _read_back(root: Path) -> dict[str, Any]:
    """31 days through the view, and from disk."""
    from django.contrib.auth.models import AnonymousUser
    from rest_framework.test import APIRequestFactory

    from feeds.downloads import DataFile

    files = sorted(root.rglob("*.parquet"))[:31]
    view, factory = DataFile.as_view(), APIRequestFactory()
    start = time.perf_counter()
    served = 0
    for file in files:
        parts = file.relative_to(root).parts
        names = ("source", "subject", "kind", "granularity", "filename")
        request = factory.get("/")
        request.user = AnonymousUser()  # as the middleware of a site sets it
        response: Any = view(request, **dict(zip(names, parts, strict=True)))
        served += sum(len(chunk) for chunk in response.streaming_content)
    view_s = time.perf_counter() - start
    start = time.perf_counter()
    read = sum(len(file.read_bytes()) for file in files)
    disk_s = time.perf_counter() - start
    assert served == read
    return {
        "month_files": len(files),
        "month_mb": round(read / 1e6, 2),
        "month_view_ms": round(view_s * 1000, 1),
        "month_disk_ms": round(disk_s * 1000, 1),
    }
