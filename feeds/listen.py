"""Push: streams of every subscription, supervised, into the same append as the pull.

For each source one connection. After each connect the gap since the watermark is
fetched, so nothing that happened while it was down is missing.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import ParamSpec, TypeVar

import structlog
from django.db import connections

from feeds import clock, ingest
from feeds.errors import FeedError, ProviderSettingError
from feeds.ingest import provider_of
from feeds.models import FeedSubscription
from feeds.records import FeedRecord
from feeds.tape.writes import append

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# Wall seconds.
FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 60.0
FIRST_RECORD_S = 5.0
COLLECT_S = 0.2
REPORT_EVERY_S = 5.0
MOST_AT_ONCE = 1000


async def listen(stop: asyncio.Event) -> None:
    """Until `stop`: then what has arrived is appended, and the connections close."""
    subscriptions = await _in_thread(_active)
    by_source: dict[str, list[FeedSubscription]] = {}
    for subscription in subscriptions:
        by_source.setdefault(subscription.source, []).append(subscription)
    if not by_source:
        raise FeedError("there is no active subscription to listen to")
    async with asyncio.TaskGroup() as group:
        for source, theirs in by_source.items():
            group.create_task(_supervise(source, theirs, stop))


async def _supervise(
    source: str, subscriptions: Sequence[FeedSubscription], stop: asyncio.Event
) -> None:
    """Connect, and connect again after a growing wait; a good connection resets it."""
    wait_s = FIRST_BACKOFF_S
    while not stop.is_set():
        began = time.monotonic()
        try:
            await _connection(source, subscriptions, stop)
        except FeedError as error:
            if time.monotonic() - began > LONGEST_BACKOFF_S:
                wait_s = FIRST_BACKOFF_S
            if isinstance(error, ProviderSettingError):
                wait_s = LONGEST_BACKOFF_S
            log.warning("feed.disconnected", source=source, error=error, wait_s=wait_s)
            await _in_thread(_note_error, subscriptions, str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait_s)
            wait_s = min(LONGEST_BACKOFF_S, 2 * wait_s)


async def _connection(
    source: str, subscriptions: Sequence[FeedSubscription], stop: asyncio.Event
) -> None:
    """One connection from its first record until it breaks or `stop`."""
    queue: asyncio.Queue[FeedRecord] = asyncio.Queue()
    feeds = [subscription.key for subscription in subscriptions]
    arrived = asyncio.Event()

    async def receive() -> None:
        async for record in provider_of(source).listen(feeds):
            queue.put_nowait(record)
            arrived.set()

    receiver = asyncio.create_task(receive())
    stopped = asyncio.create_task(stop.wait())
    try:
        # Connected first and fetched then, the two overlap and leave no hole.
        await asyncio.wait(
            {receiver, stopped, asyncio.create_task(arrived.wait())},
            timeout=FIRST_RECORD_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not receiver.done():
            await _in_thread(_fill_gaps, subscriptions)
            log.info("feed.listening", source=source, feeds=len(feeds))
        reported = 0.0
        while not (receiver.done() or stop.is_set()):
            await asyncio.wait(
                {receiver, stopped},
                timeout=COLLECT_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            records = _drain(queue)
            is_due = time.monotonic() - reported > REPORT_EVERY_S
            if await _in_thread(_keep, subscriptions, records, report=is_due):
                reported = time.monotonic()
        if receiver.done():
            receiver.result()
    finally:
        receiver.cancel()
        stopped.cancel()
        with contextlib.suppress(asyncio.CancelledError, FeedError):
            await receiver
        await _in_thread(_keep, subscriptions, _drain(queue), report=False)


async def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do blocking work beside the loop; a pool's thread keeps no connection open."""

    def call() -> T:
        try:
            return work(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.to_thread(call)


def _drain(queue: asyncio.Queue[FeedRecord]) -> list[FeedRecord]:
    records: list[FeedRecord] = []
    while not queue.empty() and len(records) < MOST_AT_ONCE:
        records.append(queue.get_nowait())
    return records


def _active() -> list[FeedSubscription]:
    return list(FeedSubscription.objects.filter(active=True))


def _fill_gaps(subscriptions: Sequence[FeedSubscription]) -> None:
    for subscription in subscriptions:
        while not ingest.pull(subscription).is_complete:
            pass


def _keep(
    subscriptions: Sequence[FeedSubscription],
    records: list[FeedRecord],
    *,
    report: bool,
) -> bool:
    """Append; with `report` also note how long the newest closed records took.

    Returns whether there was one to report.
    """
    if not records:
        return False
    append(records)
    newest = {record.key: record for record in records if record.is_closed}
    if not (report and newest):
        return False
    now = clock.now()
    for subscription in subscriptions:
        record = newest.get(subscription.key)
        if record is None:
            continue
        lag_ms = (now - record.closes_at) / timedelta(milliseconds=1)
        FeedSubscription.objects.filter(pk=subscription.pk).update(
            listened_at=now,
            listening_lag_ms=lag_ms,
            serving_source=subscription.source,
        )
        log.info("feed.lag", feed=str(subscription), lag_ms=round(lag_ms, 1))
    return True


def _note_error(subscriptions: Sequence[FeedSubscription], error: str) -> None:
    FeedSubscription.objects.filter(pk__in=[s.pk for s in subscriptions]).update(
        last_error=error, last_error_at=clock.now()
    )
