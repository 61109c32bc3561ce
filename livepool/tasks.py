"""Celery tasks: thin, safe to run twice."""

from celery import shared_task

from livepool.release import schedule
from livepool.shadow import monthly


@shared_task(name="livepool.publish")
def publish() -> None:
    """Publish this month's release if it is missing, and say so when it is late."""
    try:
        schedule.publish_due()
    finally:
        schedule.raise_alarm()


@shared_task(name="livepool.publish_first")
def publish_first() -> None:
    """Bring a fresh site its first release, once its candles have come."""
    schedule.publish_first()


@shared_task(name="livepool.build_shadow")
def build_shadow() -> None:
    """Run the monthly entry point for this month's release, once both are there."""
    monthly.run_due()
