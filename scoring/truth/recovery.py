"""Fetch missing records from the provider, when the tape lacks them for a truth.

The tape is always read first; the provider is asked only about what it lacks, outside
any transaction. Its records are stored on the tape, so they are not requested again.
"""

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import structlog

from competitions.tape_ends import Hole
from core.texts import describe
from feeds.ingest import provider_of
from feeds.providers.base import FetchRequest
from feeds.providers.pull import pages
from feeds.tape.records import FeedKey, span
from feeds.tape.writes import append

log = structlog.get_logger(__name__)

# After a failure or an empty answer, a provider is not asked for this long in real
# time.
PAUSE_S = 60.0


_not_before: dict[FeedKey, float] = {}


def fill(holes: Iterable[Hole]) -> bool:
    """Fetch the missing records; return whether every provider has answered.

    False leaves the rounds waiting: a provider that is down now may answer later.
    """
    is_answered = True
    for hole in holes:
        if time.monotonic() < _not_before.get(hole.feed, 0.0):
            is_answered = False
            continue
        try:
            count = _fetch(hole)
        except Exception as error:  # noqa: BLE001  one feed's trouble must not stop the others
            _not_before[hole.feed] = time.monotonic() + PAUSE_S
            is_answered = False
            log.warning(
                "truth.recovery_failed", feed=hole.feed.id, error=describe(error)
            )
        else:
            log.info("truth.recovered", feed=hole.feed.id, records=count)
    return is_answered


def _fetch(hole: Hole) -> int:
    """Append the missing records to the tape; returns how many were new.

    The feed goes on from where it was: what lies before them is not fetched here.
    """
    feed = hole.feed
    provider = provider_of(feed.source)
    step = span(feed.kind, feed.granularity)
    request = FetchRequest(
        subject=feed.subject,
        kind=feed.kind,
        granularity=feed.granularity,
        start=hole.first - step,
        end=hole.last - step + timedelta.resolution,
        limit=provider.page_limit,
    )
    return sum(
        append(
            [replace(record, source=feed.source) for record in page],
            move_watermark=False,
        ).new
        for page in pages(provider, request)
    )
