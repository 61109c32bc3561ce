"""Celery tasks of events and webhooks."""

from celery import shared_task

from crunchsite.events import delivering, outbox, prune_events


@shared_task(name="events.dispatch")
def dispatch() -> None:
    """Each second: number new events, and send due deliveries."""
    outbox.number_events()
    delivering.begin_turns()


@shared_task(name="events.maintain")
def maintain() -> None:
    """Each hour: delete events past retention."""
    prune_events.maintain()
