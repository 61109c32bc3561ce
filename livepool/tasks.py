"""Celery tasks: thin, safe to run twice."""

from celery import shared_task

from livepool.release import schedule
from livepool.shadow import monthly


@shared_task(name="livepool.publish")
def publish() -> None:
    """Publish this month's release if it is missing, and log when it is late."""
    try:
        schedule.publish_due()
    finally:
        schedule.raise_alarm()


@shared_task(name="livepool.publish_first")
def publish_first() -> None:
    """Publish the first release of a new site, once its candles have arrived."""
    schedule.publish_first()


@shared_task(name="livepool.build_shadow")
def build_shadow() -> None:
    """Run the monthly shadow build for this month's release, once it is published."""
    monthly.run_due()
