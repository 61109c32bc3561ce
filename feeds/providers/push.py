"""Push for providers without a stream of their own; merge several streams."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta

import structlog

from core import clock
from core.texts import message_of
from feeds.errors import FeedError
from feeds.providers.base import FetchRequest, Provider
from feeds.providers.pull import after, ask, step
from feeds.tape.records import FeedKey, FeedRecord

POLL_FLOOR_S = 0.5

log = structlog.get_logger(__name__)


async def poll(
    provider: Provider,
    feeds: Sequence[FeedKey],
    *,
    every_s: float = 1.0,
    gives_up: bool = True,
) -> AsyncGenerator[FeedRecord]:
    """Yield new records by fetching repeatedly: `listen` without streams.

    It begins with the newest closed record. A feed that fails is asked again and stops
    no other; when all fail, the last error is raised, unless it never `gives_up`.
    """
    said: dict[FeedKey, str] = {}
    wanted: dict[FeedKey, datetime] = {}
    while True:
        now, failures = clock.now(), 0
        for feed in feeds:
            # It lies in the future: the clock was set back since.
            if feed not in wanted or wanted[feed] > now:
                wanted[feed] = now - 2 * step(feed.kind, feed.granularity)
            request = FetchRequest(
                subject=feed.subject,
                kind=feed.kind,
                granularity=feed.granularity,
                start=wanted[feed],
                end=now + timedelta(seconds=1),
                limit=provider.page_limit,
            )
            try:
                found = await asyncio.to_thread(ask, provider, request)
            except FeedError as error:
                failures += 1
                if gives_up and failures == len(feeds):
                    raise
                if said.get(feed) != (text := message_of(error)):
                    log.warning("feed.not_polled", feed=feed.id, error=text)
                    said[feed] = text
                continue
            for record in found:
                yield record
                if record.is_closed:
                    wanted[feed] = after(record)
        await asyncio.sleep(max(POLL_FLOOR_S, every_s / clock.speed()))


async def merged(
    *sources: AsyncGenerator[FeedRecord],
) -> AsyncGenerator[FeedRecord]:
    """Yield records of all `sources` as they come; the first failure ends all."""
    waiting = {asyncio.ensure_future(anext(source)): source for source in sources}
    try:
        while waiting:
            arrived, _ = await asyncio.wait(
                waiting, return_when=asyncio.FIRST_COMPLETED
            )
            for task in arrived:
                source = waiting.pop(task)
                yield task.result()
                waiting[asyncio.ensure_future(anext(source))] = source
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for source in sources:
            await source.aclose()
