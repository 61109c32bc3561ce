"""Delete events and deliveries after EVENT_RETENTION_DAYS, in steps."""

from datetime import timedelta

import structlog
from django.conf import settings
from django.db import connection

from core import clock
from core.keeping import kept_since
from crunchsite.events.models import Event

log = structlog.get_logger(__name__)

A_STEP = 5_000  # events in one transaction
MOST_STEPS = 200  # in one hour
_PRUNE = """
    WITH old AS (
        SELECT id FROM events WHERE at < %s AND number IS NOT NULL ORDER BY at LIMIT %s
    ), sent AS (
        DELETE FROM deliveries USING old WHERE deliveries.event_id = old.id
    )
    DELETE FROM events USING old WHERE events.id = old.id
"""


def maintain() -> int:
    """Delete events past retention with their deliveries; returns how many events."""
    keep = timedelta(days=settings.ENV.event_retention_days)
    before = kept_since(Event.objects.all(), "at", keep=keep, now=clock.now())
    deleted = 0
    for _ in range(MOST_STEPS):
        with connection.cursor() as cursor:
            cursor.execute(_PRUNE, [before, A_STEP])
            deleted += cursor.rowcount
            if cursor.rowcount < A_STEP:
                break
    if deleted:
        log.info("events.pruned", events=deleted)
    return deleted
