"""How long the tape is kept, by event time, and its partitions ahead."""

from datetime import date, datetime, timedelta

import sqlalchemy as sa
import structlog
from django.conf import settings

from feeds.tape import partitions
from feeds.tape.engine import transaction
from feeds.tape.tables import feed_records

log = structlog.get_logger(__name__)


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

    The month it lies in loses its older rows one by one.
    """
    limit = oldest_kept(now)
    dropped = []
    for partition in partitions.existing():
        if partitions.next_month(partition.month) <= partitions.month_of(limit):
            partitions.drop(partition.month)
            dropped.append(partition.month)
    with transaction() as connection:
        connection.execute(
            sa.delete(feed_records).where(feed_records.c.ts_event < limit)
        )
    return dropped
