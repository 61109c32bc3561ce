"""The newest 120 candles of 50 subjects in one statement, on a small and a large tape.

Small is one day of minute candles of each subject; large is `--days` of them. The
tape's size must not show: `ratio` is the small tape's median time divided by the
large one's.
"""

import argparse
import resource
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMIT = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--subjects", type=int, default=50)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--calls", type=int, default=200)


def run(args: argparse.Namespace) -> dict[str, Any]:
    import sqlalchemy as sa

    from feeds import clock
    from feeds.tape import partitions, reads
    from feeds.tape.engine import dispose, engine, transaction

    subjects = [f"S{i:02}USDT" for i in range(args.subjects)]

    def fill(days: int) -> int:
        """Straight from SQL: what is measured is the reading."""
        start = NOW - timedelta(days=days)
        with transaction() as connection:
            first, last = partitions.month_of(start), partitions.month_of(NOW)
            partitions.ensure(connection, partitions.months_between(first, last))
            connection.execute(sa.text("TRUNCATE tape.feed_records"))
            connection.execute(
                sa.text("""
                    INSERT INTO tape.feed_records
                    SELECT 'bench', subject, 'candle', '1m', at, at, true,
                           jsonb_build_object('open', 100.5, 'high', 101.25, 'low',
                               99.75, 'close', 100.25, 'volume', 12.5), '{}'
                    FROM unnest(cast(:subjects AS text[])) AS subject,
                         generate_series(cast(:start AS timestamptz),
                             :until, interval '1 minute') AS at
                """),
                {
                    "subjects": subjects,
                    "start": start,
                    "until": NOW - timedelta(minutes=1),
                },
            )
            rows = connection.scalar(sa.text("SELECT count(*) FROM tape.feed_records"))
        with (
            engine()
            .connect()
            .execution_options(isolation_level="AUTOCOMMIT") as connection
        ):
            connection.execute(sa.text("VACUUM ANALYZE tape.feed_records"))
        return int(rows or 0)

    statements: list[str] = []

    def note(*context: Any) -> None:
        statements.append(context[2])

    def times(wanted: list[str]) -> list[float]:
        took = []
        for _ in range(args.calls):
            start = time.perf_counter()
            found = reads.newest_closed_many(
                source="bench",
                subjects=wanted,
                kind="candle",
                granularity="1m",
                at=NOW,
                limit=LIMIT,
            )
            took.append(time.perf_counter() - start)
            assert all(len(window) == LIMIT for window in found.values())
        return took

    with clock.use(clock.Frozen(start=NOW, anchor=NOW)):
        small_rows = fill(1)
        small, small_one = times(subjects), times(subjects[:1])
        large_rows = fill(args.days)
        sa.event.listen(engine(), "before_cursor_execute", note)
        large, large_one = times(subjects), times(subjects[:1])
        sa.event.remove(engine(), "before_cursor_execute", note)
        with transaction() as connection:
            connection.execute(sa.text("TRUNCATE tape.feed_records"))
    dispose()
    return {
        "name": "window",
        "ratio": round(statistics.median(small) / statistics.median(large), 3),
        "ratio_one_subject": round(
            statistics.median(small_one) / statistics.median(large_one), 3
        ),
        "statements": len(statements) / (2 * args.calls),
        "subjects": args.subjects,
        "rows": {"small": small_rows, "large": large_rows},
        "small": _summary(small),
        "large": _summary(large),
        "large_one_subject": _summary(large_one),
        "repeats": args.calls,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _summary(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "median_ms": round(statistics.median(ordered) * 1000, 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)] * 1000, 2),
        "max_ms": round(ordered[-1] * 1000, 2),
    }
