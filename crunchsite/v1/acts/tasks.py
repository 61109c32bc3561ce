"""Celery's entry to the answers of acts."""

from celery import shared_task

from crunchsite.v1.acts import once


@shared_task(name="acts.maintain")
def maintain() -> None:
    """Every hour: answers that are kept no longer go."""
    once.prune()
