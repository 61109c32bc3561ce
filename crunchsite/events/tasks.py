"""Celery's entries to events and webhooks."""

from celery import shared_task

from crunchsite.events import delivering, outbox, prune_events


@shared_task(name="events.dispatch")
def dispatch() -> None:
    """Every second: what has happened since is told, and sent."""
    outbox.number_events()
    delivering.begin_turns()


@shared_task(name="events.maintain")
def maintain() -> None:
    """Every hour: what is past retention goes."""
    prune_events.maintain()
