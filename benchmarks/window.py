"""The newest 120 candles of 50 subjects in one statement, on a small and a large tape.

Small is one day of minute candles of each subject; large is `--days` of them. Both are
asked in turn. The tape's size must not show: `ratio` is the small tape's median time
divided by the large one's.
"""

import argparse
import statistics
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.measure import peak_mb

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMIT = 120
SMALL = "window_small"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--subjects", type=int, default=50)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument(
        "--backfill",
        action="store_true",
        help="fill the tape with backfill jobs on the simulated exchange",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    import sqlalchemy as sa

    from core import clock
    from feeds.tape.engine import dispose, engine

    subjects = [f"S{i:02}USDT" for i in range(args.subjects)]
    fill = _backfill if args.backfill else _generate
    statements: list[str] = []
    with clock.use(clock.Frozen(start=NOW, anchor=NOW)):
        small_rows = _fill(subjects, days=1, fill=fill)
        _copy_database(SMALL)
        began = time.perf_counter()
        large_rows = _fill(subjects, days=args.days, fill=fill)
        fill_s = time.perf_counter() - began
        sa.event.listen(
            engine(), "before_cursor_execute", lambda *seen: statements.append(seen[2])
        )
        all_subjects = _times(subjects, calls=args.calls)
        one_subject = _times(subjects[:1], calls=args.calls)
    dispose()
    return {
        "name": "window",
        "ratio": _ratio(all_subjects),
        "ratio_one_subject": _ratio(one_subject),
        "statements": len(statements) / (2 * args.calls),
        "subjects": args.subjects,
        "rows": {"small": small_rows, "large": large_rows},
        "fill": {"seconds": round(fill_s, 1), "rows_per_s": round(large_rows / fill_s)},
        **{side: _summary(times) for side, times in all_subjects.items()},
        "one_subject": {side: _summary(times) for side, times in one_subject.items()},
        "repeats": args.calls,
        "peak_mb": peak_mb(),
    }


def _ratio(times: dict[str, list[float]]) -> float:
    return round(
        statistics.median(times["small"]) / statistics.median(times["large"]), 3
    )


def _copy_database(name: str) -> None:
    """The tape as it is now, in a database of its own."""
    import psycopg2
    from django.db import connection, connections

    from feeds.tape.engine import database, dispose

    source = database()["NAME"]
    dispose()
    connections.close_all()
    elsewhere = {**connection.get_connection_params(), "dbname": "template1"}
    with closing(psycopg2.connect(**elsewhere)) as server:
        server.autocommit = True
        server.cursor().execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}"')


def _fill(subjects: list[str], *, days: int, fill: Any) -> int:
    import sqlalchemy as sa

    from feeds.tape import partitions
    from feeds.tape.engine import engine, transaction

    start = NOW - timedelta(days=days)
    with transaction() as connection:
        months = {partitions.month_of(NOW - timedelta(days=d)) for d in range(days + 1)}
        partitions.ensure(connection, months)
        connection.execute(sa.text("TRUNCATE tape.feed_records"))
    fill(subjects, start)
    autocommit = engine().execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        connection.execute(sa.text("SET statement_timeout = 0"))
        connection.execute(sa.text("VACUUM ANALYZE tape.feed_records"))
        rows = connection.scalar(sa.text("SELECT count(*) FROM tape.feed_records"))
    return int(rows or 0)


def _times(subjects: list[str], *, calls: int) -> dict[str, list[float]]:
    """Seconds of each call, on the small and the large tape in turn."""
    from unittest import mock

    from feeds.tape import engine, reads

    large = engine.database()
    tapes = {"small": {**large, "NAME": SMALL}, "large": large}
    took: dict[str, list[float]] = {side: [] for side in tapes}
    for _ in range(calls):
        for side, tape in tapes.items():
            with mock.patch.object(engine, "database", lambda tape=tape: tape):
                start = time.perf_counter()
                found = reads.newest_closed_many(
                    source="simulated",
                    subjects=subjects,
                    kind="candle",
                    granularity="1m",
                    at=NOW,
                    limit=LIMIT,
                )
                took[side].append(time.perf_counter() - start)
            assert all(len(window) == LIMIT for window in found.values())
    return took


def _summary(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "min_ms": round(ordered[0] * 1000, 2),
        "median_ms": round(statistics.median(ordered) * 1000, 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)] * 1000, 2),
        "max_ms": round(ordered[-1] * 1000, 2),
    }


def _generate(subjects: list[str], start: datetime) -> None:
    """Straight from SQL, one subject at a time: what is measured is the reading."""
    import sqlalchemy as sa

    from feeds.tape.engine import transaction

    for subject in subjects:
        with transaction() as connection:
            connection.execute(
                sa.text("""
                    INSERT INTO tape.feed_records
                    SELECT 'simulated', :subject, 'candle', '1m', at, at, true,
                           jsonb_build_object('open', 100.5, 'high', 101.25, 'low',
                               99.75, 'close', 100.25, 'volume', 12.5), '{}'
                    FROM generate_series(cast(:start AS timestamptz),
                                         :until, interval '1 minute') AS at
                """),
                {
                    "subject": subject,
                    "start": start,
                    "until": NOW - timedelta(minutes=1),
                },
            )


def _backfill(subjects: list[str], start: datetime) -> None:
    from django.conf import settings

    from feeds import backfill, backfill_jobs
    from feeds.models import BackfillJob
    from feeds.tape.records import FeedKey

    settings.ENV = settings.ENV.model_copy(update={"feed_record_ttl_days": 10_000})
    for subject in subjects:
        job = backfill_jobs.start(
            key=FeedKey("simulated", subject, "candle", "1m"),
            start_at=start,
            end_at=NOW,
            sink=BackfillJob.Sink.TAPE,
            page_size=10_000,
        )
        backfill.run(job_id=job.pk)
    BackfillJob.objects.all().delete()
