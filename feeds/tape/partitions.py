"""Manage the tape's monthly partitions: create ahead, drop by event time."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from feeds.tape.engine import transaction
from feeds.tape.tables import SCHEMA

PARENT = "feed_records"
DEFAULT = "feed_records_default"
_MONTH = re.compile(r"feed_records_y(\d{4})m(\d{2})")
# Two processes must not create the same month at once.
_LOCK = 7_405_001
# The candles that are kept: granularities in the parameter `keep`.
KEPT = "kind = 'candle' AND granularity = ANY(cast(:keep AS text[]))"


@dataclass(frozen=True)
class Partition:
    """A month of the tape; `month` is its first day."""

    name: str
    month: date
    size_bytes: int
    estimated_rows: int


def month_of(instant: datetime) -> date:
    return instant.astimezone(UTC).date().replace(day=1)


def next_month(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def name_of(month: date) -> str:
    return f"feed_records_y{month:%Y}m{month:%m}"


def ensure(connection: sa.Connection, months: Iterable[date]) -> list[date]:
    """Create the partitions that are missing; return their months."""
    wanted = {name_of(month): month for month in sorted(set(months))}
    missing = connection.scalars(
        sa.text(
            "SELECT name FROM unnest(cast(:names AS text[])) AS name "
            f"WHERE to_regclass('{SCHEMA}.' || name) IS NULL"
        ),
        {"names": list(wanted)},
    ).all()
    if missing:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    for name in missing:
        start = wanted[name]
        connection.execute(
            sa.text(
                f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{name} "
                f"PARTITION OF {SCHEMA}.{PARENT} FOR VALUES "
                f"FROM ('{start}T00:00:00Z') TO ('{next_month(start)}T00:00:00Z')"
            )
        )
    return [wanted[name] for name in missing]


def create_ahead(*, now: datetime, months: int = 2) -> list[date]:
    """Make this month's partition and those of the `months` after it."""
    month, wanted = month_of(now), []
    for _ in range(months + 1):
        wanted.append(month)
        month = next_month(month)
    with transaction() as connection:
        return ensure(connection, wanted)


def existing() -> list[Partition]:
    """Return the monthly partitions, oldest first; rows are PostgreSQL's estimate."""
    with transaction() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT child.relname, pg_total_relation_size(child.oid), "
                "greatest(child.reltuples, 0)::bigint "
                "FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
                f"WHERE inhparent = '{SCHEMA}.{PARENT}'::regclass ORDER BY 1"
            )
        ).all()
    return [
        Partition(name, date(int(match[1]), int(match[2]), 1), size, estimate)
        for name, size, estimate in rows
        if (match := _MONTH.fullmatch(name))
    ]


def rows_in_default() -> int:
    """Count rows outside of every month; there must be none, they block new months."""
    with transaction() as connection:
        count = connection.scalar(sa.text(f"SELECT count(*) FROM {SCHEMA}.{DEFAULT}"))
    return int(count or 0)


def count_off(rows: str) -> str:
    """Return SQL that subtracts the records in `rows` from their feeds' counts."""
    return f"""
        UPDATE {SCHEMA}.feed_ingestion_state AS state
        SET record_count = record_count - lost.records FROM (
            SELECT source, subject, kind, granularity, count(*) AS records
            FROM {rows} GROUP BY source, subject, kind, granularity
        ) AS lost
        WHERE (state.source, state.subject, state.kind, state.granularity)
            = (lost.source, lost.subject, lost.kind, lost.granularity)
    """


def drop(month: date, *, keep: Sequence[str] = ()) -> bool:
    """Drop a month except its candles of the granularities in `keep`.

    Dropped rows are subtracted from their feeds' counts. Returns whether there were
    any. Nobody writes to the month meanwhile; reads and writes of other months wait
    only for the final DETACH.
    """
    name = f"{SCHEMA}.{name_of(month)}"
    with transaction() as connection:

        def run(statement: str) -> Any:
            return connection.execute(sa.text(statement), {"keep": list(keep)})

        run("SET LOCAL lock_timeout = '5s'")
        run(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")
        is_going, is_staying = run(
            f"SELECT bool_or(NOT ({KEPT})), bool_or({KEPT}) FROM {name}"
        ).one()
        if is_staying and not is_going:
            return False
        run(count_off(f"{name} WHERE NOT ({KEPT})"))
        run(
            "CREATE TEMP TABLE staying ON COMMIT DROP AS "
            f"SELECT * FROM {name} WHERE {KEPT}"
        )
        run(f"ALTER TABLE {SCHEMA}.{PARENT} DETACH PARTITION {name}")
        run(f"DROP TABLE {name}")
        if is_staying:
            ensure(connection, [month])
            run(f"INSERT INTO {name} SELECT * FROM staying")
    return True
