"""Celery tasks of emissions: call a service."""

from celery import shared_task

from core import clock
from emissions import checkpoints


@shared_task(name="emissions.dispatch")
def dispatch() -> None:
    """Every fifteen seconds: emission periods that are over get their checkpoint."""
    checkpoints.close_due(now=clock.now())
