"""Store facts as events, number them, and queue their deliveries."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from core import clock
from core.facts import Fact
from core.only_one import one_after_another
from core.texts import storable_json
from crunchsite.events.models import Event

MOST_BYTES = 8_000  # of a payload
MOST_AT_ONCE = 5_000
_NUMBERING = 0x6576656E7473  # "events"
# An event's readers and webhooks are decided here, once, with its number.
_NUMBER = """
    WITH next AS (
        SELECT id, nextval('event_numbers') AS number
        FROM (
            SELECT id FROM events WHERE number IS NULL ORDER BY id LIMIT %(most)s
        ) AS waiting
    ), numbered AS (
        UPDATE events SET number = next.number FROM next WHERE events.id = next.id
        RETURNING events.id, events.kind, events.competition_id
    ), sent AS (
        INSERT INTO deliveries (event_id, webhook_id, attempts, next_at, give_up_at,
            last_error)
        SELECT numbered.id, webhook.id, 0, %(now)s, %(give_up_at)s, ''
        FROM numbered
        JOIN webhooks AS webhook ON webhook.active
            AND (webhook.kinds = '{}' OR numbered.kind = ANY(webhook.kinds))
        LEFT JOIN competitions AS competition
            ON competition.id = numbered.competition_id
        WHERE webhook.competition_id = numbered.competition_id
            OR webhook.competition_id IS NULL
                AND competition.status IS DISTINCT FROM 'DRAFT'
        ORDER BY numbered.id
    )
    SELECT count(*) FROM numbered
"""
# Deliveries to receivers that do not answer are tried for this long.
PATIENCE = timedelta(days=3)


def store_events(*, facts: Sequence[Fact], **_: Any) -> None:
    """Write facts as events, in the caller's transaction; one statement."""
    now = clock.now()
    Event.objects.bulk_create(
        Event(
            kind=fact.kind,
            competition_id=fact.competition_id,
            payload=_bounded(fact.payload),
            at=now,
        )
        for fact in facts
    )


def _bounded(payload: dict[str, Any]) -> dict[str, Any]:
    """Return what a column holds of a payload; a marker replaces a too large one."""
    kept: dict[str, Any] = storable_json(payload)
    return kept if len(json.dumps(kept)) <= MOST_BYTES else {"is_cut": True}


@transaction.atomic
def number_events() -> int:
    """Number the events of committed transactions; return how many.

    The same statement queues each event for the webhooks that want it. One caller at a
    time: the next begins when this one's numbers are visible. So a reader who has read
    up to a number never finds a lower one later, however long transactions take and in
    whatever order they end.
    """
    one_after_another(_NUMBERING)
    with connection.cursor() as cursor:
        now = clock.wall_now()
        cursor.execute(
            _NUMBER,
            {"most": MOST_AT_ONCE, "now": now, "give_up_at": now + PATIENCE},
        )
        count: int = cursor.fetchone()[0]
        return count
