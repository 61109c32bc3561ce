"""Celery tasks of emissions: call a service."""

from celery import shared_task

from core import clock
from emissions import checkpoints


@shared_task(name="emissions.dispatch")
def dispatch() -> None:
    """Close the emission periods that are over; runs every fifteen seconds."""
    checkpoints.close_due(now=clock.now())
