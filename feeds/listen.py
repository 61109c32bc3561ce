"""Push: streams of every subscription, supervised, into the same append as the pull.

For each source one connection. After each connect the gap since the watermark is
fetched, so nothing that happened while it was down is missing. While it is down the
feeds are pulled, from the sources that stand in when their own is away.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import timedelta
from typing import ParamSpec, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connections

from feeds import clock, ingest
from feeds.errors import FeedError, OperatorError, ProviderSettingError
from feeds.ingest import provider_of
from feeds.models import FeedSubscription
from feeds.records import FeedKey, FeedRecord
from feeds.tape.writes import append

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
# The feeds of one source, and the primary keys of their subscriptions.
Feeds = dict[FeedKey, int]

# What later may mend: the source's troubles, the tape's, and the database's.
OUTAGES = (OperatorError, OperationalError, InterfaceError)

# Wall seconds.
FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 60.0
FIRST_RECORD_S = 5.0
COLLECT_S = 0.2
PULL_EVERY_S = 1.0
REPORT_EVERY_S = 5.0
REFRESH_EVERY_S = 10.0
MOST_AT_ONCE = 1000


async def listen(stop: asyncio.Event) -> None:
    """Until `stop`: then what has arrived is appended, and the connections close.

    Subscriptions that come, go or change are followed. Raises FeedError when there is
    none to begin with.
    """
    wanted = await _in_thread(_active)
    if not wanted:
        raise FeedError("there is no active subscription to listen to")
    running: dict[str, tuple[Feeds, asyncio.Event]] = {}
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            for source, (feeds, end) in list(running.items()):
                if feeds != wanted.get(source):
                    end.set()
                    del running[source]
            for source in wanted.keys() - running.keys():
                running[source] = wanted[source], asyncio.Event()
                group.create_task(_supervise(source, *running[source]))
            await _pause(stop, REFRESH_EVERY_S)
            try:
                wanted = await _in_thread(_active)
            except OUTAGES as error:
                log.warning("feed.subscriptions_unknown", error=str(error))
        for _, end in running.values():
            end.set()


async def _supervise(source: str, feeds: Feeds, stop: asyncio.Event) -> None:
    """Connect, and connect again after a growing wait; a good connection resets it."""
    wait_s = FIRST_BACKOFF_S
    while not stop.is_set():
        began = time.monotonic()
        try:
            await _connection(source, feeds, stop)
        except OUTAGES as error:
            if time.monotonic() - began > LONGEST_BACKOFF_S:
                wait_s = FIRST_BACKOFF_S
            if isinstance(error, ProviderSettingError):
                wait_s = LONGEST_BACKOFF_S
            log.warning(
                "feed.disconnected", source=source, error=str(error), wait_s=wait_s
            )
            await _pull_meanwhile(feeds, stop, error=str(error), wait_s=wait_s)
            wait_s = min(LONGEST_BACKOFF_S, 2 * wait_s)


async def _pull_meanwhile(
    feeds: Feeds, stop: asyncio.Event, *, error: str, wait_s: float
) -> None:
    """For `wait_s`: pull what is due, as the workers do."""
    until = time.monotonic() + wait_s
    try:
        await _in_thread(_note_error, feeds, error)
        while not stop.is_set() and time.monotonic() < until:
            await _in_thread(ingest.ingest_due, only=feeds.values())
            await _pause(stop, min(until - time.monotonic(), PULL_EVERY_S))
    except OUTAGES as outage:
        log.warning("feed.not_pulled", error=str(outage))
        await _pause(stop, until - time.monotonic())


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), max(0.0, seconds))


async def _connection(source: str, feeds: Feeds, stop: asyncio.Event) -> None:
    """One connection until it breaks or `stop`."""
    queue: asyncio.Queue[FeedRecord] = asyncio.Queue()

    async def receive() -> None:
        async for record in provider_of(source).listen(list(feeds)):
            queue.put_nowait(record)

    async def tick() -> bool:
        """A short wait; whether the connection goes on."""
        await asyncio.wait(
            {receiver, stopped},
            timeout=COLLECT_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        return not (receiver.done() or stop.is_set())

    receiver = asyncio.create_task(receive())
    stopped = asyncio.create_task(stop.wait())
    try:
        # Connected first and fetched then, the two overlap and leave no hole.
        until = time.monotonic() + FIRST_RECORD_S
        while goes_on := await tick():
            if not queue.empty() or time.monotonic() > until:
                await _in_thread(_fill_gaps, feeds)
                log.info("feed.listening", source=source, feeds=len(feeds))
                break
        reported = 0.0
        while goes_on:
            goes_on = await tick()
            is_due = time.monotonic() - reported > REPORT_EVERY_S
            if await _in_thread(_keep, feeds, _drain(queue), report=is_due):
                reported = time.monotonic()
        if receiver.done():
            receiver.result()
    finally:
        receiver.cancel()
        stopped.cancel()
        with contextlib.suppress(asyncio.CancelledError, *OUTAGES):
            await receiver
        while records := _drain(queue):
            await _in_thread(_keep, feeds, records, report=False)


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


def _active() -> dict[str, Feeds]:
    """The feeds to listen to, by source."""
    by_source: dict[str, Feeds] = {}
    for subscription in FeedSubscription.objects.filter(active=True):
        by_source.setdefault(subscription.source, {})[subscription.key] = (
            subscription.pk
        )
    return by_source


def _fill_gaps(feeds: Feeds) -> None:
    """Pull each to the end; one that cannot be says so on itself and stops no other."""
    for subscription in FeedSubscription.objects.filter(pk__in=feeds.values()):
        while ingest.claim(subscription) and ingest.take_turn(subscription):
            pass


def _keep(feeds: Feeds, records: list[FeedRecord], *, report: bool) -> bool:
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
    for key, record in newest.items():
        lag_ms = (now - record.closes_at) / timedelta(milliseconds=1)
        FeedSubscription.objects.filter(pk=feeds[key]).update(
            listened_at=now, listening_lag_ms=lag_ms, serving_source=key.source
        )
        log.info("feed.lag", feed=key.id, lag_ms=round(lag_ms, 1))
    return True


def _note_error(feeds: Feeds, error: str) -> None:
    FeedSubscription.objects.filter(pk__in=feeds.values()).update(
        last_error=error, last_error_at=clock.now()
    )
