"""How long the tape is kept, by event time, and its partitions ahead."""

from datetime import date, datetime, timedelta

import sqlalchemy as sa
import structlog
from django.conf import settings

from feeds.records import FeedRecord
from feeds.tape import partitions
from feeds.tape.engine import engine, transaction
from feeds.tape.tables import feed_records

log = structlog.get_logger(__name__)


_DELETE = """
    WITH gone AS (
        DELETE FROM tape.feed_records WHERE ts_event < :limit
        RETURNING source, subject, kind, granularity
    )
    UPDATE tape.feed_ingestion_state AS state
    SET record_count = record_count - lost.records
    FROM (
        SELECT source, subject, kind, granularity, count(*) AS records
        FROM gone GROUP BY source, subject, kind, granularity
    ) AS lost
    WHERE (state.source, state.subject, state.kind, state.granularity)
        = (lost.source, lost.subject, lost.kind, lost.granularity)
"""


def oldest_kept(now: datetime) -> datetime:
    return now - timedelta(days=settings.ENV.feed_record_ttl_days)


def maintain(*, now: datetime) -> None:
    created = partitions.create_ahead(now=now)
    if created:
        log.info("tape.partitions_created", months=[str(month) for month in created])
    dropped = prune(now=now)
    if dropped:
        log.info("tape.partitions_dropped", months=[str(month) for month in dropped])
    strays = partitions.rows_in_default()
    if strays:
        log.error("tape.default_partition_not_empty", rows=strays)


def prune(*, now: datetime) -> list[date]:
    """Drop the months that retention has passed; returns them.

    The month it lies in loses its older rows one by one. With FEED_PRUNE_EXPORT all of
    them are in Parquet files before they go.
    """
    limit = oldest_kept(now)
    if settings.ENV.feed_prune_export:
        _export(before=limit)
    dropped = []
    for partition in partitions.existing():
        if partitions.next_month(partition.month) <= partitions.month_of(limit):
            partitions.drop(partition.month)
            dropped.append(partition.month)
    with transaction() as connection:
        connection.execute(sa.text(_DELETE), {"limit": limit})
    return dropped


def _export(*, before: datetime) -> None:
    from feeds import parquet

    with engine().connect().execution_options(yield_per=20_000) as connection:
        rows = connection.execute(
            sa.select(feed_records)
            .where(feed_records.c.ts_event < before, feed_records.c.is_closed)
            .order_by(*feed_records.primary_key.columns)
        )
        for part in rows.partitions():
            parquet.write(
                FeedRecord(
                    row.source,
                    row.subject,
                    row.kind,
                    row.granularity,
                    row.ts_event,
                    row.values_jsonb,
                    row.is_closed,
                    row.meta_jsonb,
                )
                for row in part
            )
