"""New candles into the tape, page by page as a provider hands them over.

The limit is one COPY of the same rows straight into the same partitioned, indexed
table, rendered by the csv module. `grown_mb` is what the process gained while it
appended all pages for the first time: it must not grow with their number.
"""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.measure import compare, peak_mb, summary

START = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = (
    *("source", "subject", "kind", "granularity", "ts_event", "ts_ingested"),
    *("is_closed", "values_jsonb", "meta_jsonb"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--page", type=int, default=10_000)


def candles(rows: int) -> list[Any]:
    """Minute candles of ten subjects."""
    from feeds.tape.records import FeedRecord

    records = []
    for subject in range(10):
        for i in range(rows // 10):
            price = 60_000 + (i * 37 % 1000) / 7
            values = {
                "open": price,
                "high": price + 3.21,
                "low": price - 2.5,
                "close": price + 1.07,
                "volume": (i % 97) * 1.37,
            }
            records.append(
                FeedRecord(
                    "bench",
                    f"S{subject}USDT",
                    "candle",
                    "1m",
                    START + timedelta(minutes=i),
                    values,
                )
            )
    return records


def run(args: argparse.Namespace) -> dict[str, Any]:
    import sqlalchemy as sa

    from core import clock
    from core.copy import copy_rows
    from feeds.tape import partitions
    from feeds.tape.engine import dispose, transaction
    from feeds.tape.writes import append

    records = candles(args.rows)
    months = {partitions.month_of(record.ts_event) for record in records}
    now = START + timedelta(days=365)

    def reset() -> None:
        with transaction() as connection:
            partitions.ensure(connection, months)
            connection.execute(
                sa.text("TRUNCATE tape.feed_records, tape.feed_ingestion_state")
            )

    def ours() -> None:
        for start in range(0, len(records), args.page):
            append(records[start : start + args.page])

    def rows() -> Iterator[tuple[Any, ...]]:
        for r in records:
            dimensions = (r.source, r.subject, r.kind, r.granularity)
            yield (*dimensions, r.ts_event, now, r.is_closed, r.values, {})

    def limit() -> None:
        with transaction() as connection:
            cursor = connection.connection.cursor()
            copy_rows(cursor, "tape.feed_records", COLUMNS, rows())

    again: list[float] = []

    with clock.use(clock.Frozen(start=now, anchor=now)):
        reset()
        before_mb = peak_mb()
        ours()
        grown_mb = peak_mb() - before_mb
        result = compare(
            "ingest",
            ours=ours,
            limit=limit,
            reset=reset,
            repeats=args.repeats,
            rows=len(records),
            page=args.page,
        )
        for _ in range(args.repeats):
            reset()
            ours()
            start = time.perf_counter()
            ours()
            again.append(time.perf_counter() - start)
        reset()
    dispose()
    result["grown_mb"] = grown_mb
    result["again"] = summary(again)
    result["again_ratio"] = round(
        result["ours"]["median_s"] / result["again"]["median_s"], 3
    )
    result["rows_per_s"] = round(len(records) / result["ours"]["median_s"])
    return result
