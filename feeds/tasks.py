"""Celery tasks of this app."""

import uuid

from celery import shared_task

from core import clock
from feeds import backfill, health, ingest
from feeds.models import BackfillJob
from feeds.tape import retention

# Below the soft time limit of prefork workers; a longer job continues in another turn.
BACKFILL_TURN_S = 120.0


@shared_task(name="feeds.ingest")
def ingest_due() -> None:
    """Pull every subscription that is due."""
    ingest.ingest_due()


@shared_task(name="feeds.backfill")
def run_backfill_job(job_id: str) -> None:
    """Work on one job; a second delivery finds it taken and does nothing."""
    if backfill.run(job_id=uuid.UUID(job_id), turn_s=BACKFILL_TURN_S):
        run_backfill_job.delay(job_id)


@shared_task(name="feeds.resume_backfills")
def resume_backfills() -> None:
    """Queue the jobs that nobody works on: new ones, and those of dead workers."""
    for job in BackfillJob.objects.orphaned(clock.now()).only("pk"):
        run_backfill_job.apply_async([str(job.pk)], expires=15)


@shared_task(name="feeds.watch")
def watch() -> None:
    """Log an alarm for each stale feed."""
    health.raise_alarms(now=clock.now())


@shared_task(name="feeds.maintain")
def maintain() -> None:
    """Make partitions ahead of time, drop those past retention, repair gaps.

    What keeps old records from being dropped keeps nobody from having the newest.
    """
    try:
        retention.maintain(now=clock.now())
    finally:
        ingest.repair_gaps()
