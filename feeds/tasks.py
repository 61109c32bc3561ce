"""Celery's entries to this app."""

from celery import shared_task

from feeds import clock, ingest, retention


@shared_task(name="feeds.ingest")
def ingest_due() -> None:
    """Pull every subscription that is due."""
    ingest.ingest_due()


@shared_task(name="feeds.maintain")
def maintain() -> None:
    """Make partitions ahead of time and drop those past retention."""
    retention.maintain(now=clock.now())
