"""Apply the tape's retention, by event time, and create partitions ahead."""

from datetime import date, datetime, timedelta

import sqlalchemy as sa
import structlog
from django.conf import settings

from feeds.granularity import seconds
from feeds.tape import partitions, reads
from feeds.tape.engine import engine, transaction
from feeds.tape.records import CANDLE, FeedRecord
from feeds.tape.tables import feed_ingestion_state, feed_records

log = structlog.get_logger(__name__)


# Candles of this length and longer are never dropped: they are few, and the live pool
# needs years of them.
DAY_S = 86_400
_DELETE = f"""
    WITH gone AS (
        DELETE FROM tape.feed_records
        WHERE ts_event >= :month AND ts_event < :limit AND NOT ({partitions.KEPT})
        RETURNING source, subject, kind, granularity
    )
    {partitions.count_off("gone")}
"""


def is_kept(kind: str, granularity: str) -> bool:
    """Return whether retention never drops records of a feed."""
    return kind == CANDLE and seconds(granularity) >= DAY_S


def oldest_kept(now: datetime) -> datetime:
    """Return how far back the tape keeps the feeds that retention prunes.

    Counted from the newest record that any feed has by `now`, so that a clock that is
    ahead drops nothing early; from `now` if there is none.
    """
    newest = reads.newest_seen(at=now) or now
    return newest - timedelta(days=settings.ENV.feed_record_ttl_days)


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
    """Drop the months that are past retention; return them.

    From the month in which retention ends, the older rows are deleted one by one. With
    FEED_PRUNE_EXPORT all of them are written to Parquet files before.
    """
    limit, keep = oldest_kept(now), _kept_granularities()
    if settings.ENV.feed_prune_export:
        _export(before=limit, keep=keep)
    month = partitions.month_of(limit)
    dropped = [
        partition.month
        for partition in partitions.existing()
        if partition.month < month and partitions.drop(partition.month, keep=keep)
    ]
    with transaction() as connection:
        connection.execute(
            sa.text(_DELETE), {"month": month, "limit": limit, "keep": keep}
        )
    return dropped


def _kept_granularities() -> list[str]:
    state = feed_ingestion_state.c
    with transaction() as connection:
        found = connection.scalars(sa.select(state.granularity).distinct()).all()
    return [granularity for granularity in found if is_kept(CANDLE, granularity)]


def _export(*, before: datetime, keep: list[str]) -> None:
    from feeds.tape import parquet

    record = feed_records.c
    goes = sa.text(f"NOT ({partitions.KEPT})").bindparams(keep=keep)
    with engine().connect().execution_options(yield_per=20_000) as connection:
        rows = connection.execute(
            sa.select(feed_records)
            .where(record.ts_event < before, record.is_closed, goes)
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
