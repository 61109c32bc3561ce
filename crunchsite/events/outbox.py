"""Facts become rows, and rows get their place in the order that readers follow."""

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from core import clock
from core.facts import Fact
from core.texts import storable_json
from crunchsite.events.models import Event

MOST_BYTES = 8_000  # of a payload
MOST_AT_ONCE = 5_000
_NUMBERING = 0x6576656E7473  # "events"
_NUMBER = """
    UPDATE events SET number = next.number
    FROM (
        SELECT id, nextval('event_numbers') AS number
        FROM (
            SELECT id FROM events WHERE number IS NULL ORDER BY id LIMIT %s
        ) AS waiting
    ) AS next
    WHERE events.id = next.id
"""


def keep(*, facts: Sequence[Fact], **_: Any) -> None:
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
    """What a column holds of it; a mark in place of one that is too large."""
    kept: dict[str, Any] = storable_json(payload)
    return kept if len(json.dumps(kept)) <= MOST_BYTES else {"is_cut": True}


@transaction.atomic
def number_events() -> int:
    """Give the events of transactions that have ended their numbers; returns how many.

    One caller at a time: the next begins when this one's numbers can be seen. So
    whoever has read up to a number never finds a lower one later, however long a
    transaction takes and in whatever order they end.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_NUMBERING])
        cursor.execute(_NUMBER, [MOST_AT_ONCE])
        return cursor.rowcount
