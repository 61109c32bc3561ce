"""Holes in the tape that keep a round from its truth: ask the provider once more.

The tape is read first, always; the provider is asked only about what it lacks, outside
any transaction. What comes is stored on the tape, so nobody asks for it again.
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
from feeds.tape.writes import append

log = structlog.get_logger(__name__)

# A provider that failed, or had nothing, is left alone for this long on the wall.
PAUSE_S = 60.0


_not_before: dict[tuple[str, str], float] = {}


def fill(holes: Iterable[Hole]) -> bool:
    """Fetch what is missing; True when every provider has answered.

    False leaves the rounds waiting: a provider that is down now may answer later.
    """
    is_answered = True
    for hole in holes:
        feed = (hole.source, hole.subject)
        if time.monotonic() < _not_before.get(feed, 0.0):
            is_answered = False
            continue
        try:
            found = _fetch(hole)
        except Exception as error:  # noqa: BLE001  one feed's trouble must not stop the others
            _not_before[feed] = time.monotonic() + PAUSE_S
            is_answered = False
            log.warning("truth.recovery_failed", feed=feed, error=describe(error))
        else:
            log.info("truth.recovered", feed=feed, records=found)
    return is_answered


def _fetch(hole: Hole) -> int:
    provider = provider_of(hole.source)
    step = timedelta(seconds=hole.step_s)
    request = FetchRequest(
        subject=hole.subject,
        kind=hole.kind,
        granularity=hole.granularity,
        start=hole.first - step,
        end=hole.last - step + timedelta.resolution,
        limit=provider.page_limit,
    )
    return sum(
        append([replace(record, source=hole.source) for record in page]).new
        for page in pages(provider, request)
    )
