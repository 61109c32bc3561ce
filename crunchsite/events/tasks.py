"""Celery's entries to events and webhooks."""

from celery import shared_task

from crunchsite.events import outbox


@shared_task(name="events.dispatch")
def dispatch() -> None:
    """Every second: what has happened since is told."""
    outbox.number_events()
