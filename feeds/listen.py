"""Append the streams of all subscriptions to the tape, and supervise them.

There is one connection for each source. After each connect the gap since the watermark
is fetched, so that no record is missing; until then the watermark stays. While a stream
is disconnected its feeds are pulled, from their fallbacks if the source fails too.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import timedelta
from typing import ParamSpec, TypeVar

import structlog
from django.db import connections

from core import clock
from core.errors import OperatorError
from core.texts import describe, message_of, readable
from feeds import ingest
from feeds.errors import FeedError, ProviderSettingError
from feeds.ingest import provider_of
from feeds.models import FeedSubscription
from feeds.tape.records import FeedKey, FeedRecord
from feeds.tape.writes import append
from feeds.turns import turn_at

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
# The feeds of one source, and the primary keys of their subscriptions.
Feeds = dict[FeedKey, int]

# Seconds of real time.
FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 60.0
FIRST_RECORD_S = 5.0
COLLECT_S = 0.2
PULL_EVERY_S = 1.0
FILL_TURN_S = 2.0
REPORT_EVERY_S = 5.0
REFRESH_EVERY_S = 10.0
MOST_AT_ONCE = 1000


async def listen(stop: asyncio.Event) -> None:
    """Append records of the streams until `stop`; store what has arrived, and close.

    Added, changed and removed subscriptions are followed. Raises FeedError when there
    is none at the start.
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
            except Exception as error:  # noqa: BLE001  the streams go on meanwhile
                log.warning("feed.subscriptions_unknown", error=describe(error))
        for _, end in running.values():
            end.set()


async def _supervise(source: str, feeds: Feeds, stop: asyncio.Event) -> None:
    """Connect, and reconnect after a growing wait, which a good connection resets."""
    wait_s = FIRST_BACKOFF_S
    while not stop.is_set():
        began = time.monotonic()
        try:
            await _connection(source, feeds, stop)
        except Exception as error:  # noqa: BLE001  one source's trouble must not end the others
            if time.monotonic() - began > LONGEST_BACKOFF_S:
                wait_s = FIRST_BACKOFF_S
            if isinstance(error, ProviderSettingError):
                wait_s = LONGEST_BACKOFF_S
            said = (
                message_of(error)
                if isinstance(error, OperatorError)
                else describe(error)
            )
            log.warning("feed.disconnected", source=source, error=said, wait_s=wait_s)
            await _pull_meanwhile(feeds, stop, error=said, wait_s=wait_s)
            wait_s = min(LONGEST_BACKOFF_S, 2 * wait_s)


async def _pull_meanwhile(
    feeds: Feeds, stop: asyncio.Event, *, error: str, wait_s: float
) -> None:
    """Pull due feeds for `wait_s`, as the workers do."""
    until = time.monotonic() + wait_s
    try:
        await _in_thread(_note_error, feeds, error)
        while not stop.is_set() and time.monotonic() < until:
            await _in_thread(ingest.ingest_due, only=feeds.values())
            await _pause(stop, min(until - time.monotonic(), PULL_EVERY_S))
    except Exception as outage:  # noqa: BLE001  the database may be away, too
        log.warning("feed.not_pulled", error=describe(outage))
        await _pause(stop, until - time.monotonic())


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await stop.wait()


async def _connection(source: str, feeds: Feeds, stop: asyncio.Event) -> None:
    """Keep one connection until it breaks or `stop` is set."""
    queue: asyncio.Queue[FeedRecord] = asyncio.Queue()

    async def receive() -> None:
        async for record in provider_of(source).listen(list(feeds)):
            queue.put_nowait(record)

    async def tick() -> bool:
        """Wait briefly; return whether the connection continues."""
        await asyncio.wait(
            {receiver, stopped},
            timeout=COLLECT_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        return not (receiver.done() or stop.is_set())

    receiver = asyncio.create_task(receive())
    stopped = asyncio.create_task(stop.wait())
    catching_up = _CatchingUp(feeds)
    reported = 0.0
    try:
        goes_on = True
        while goes_on:
            goes_on = await tick()
            records = _drain(queue)
            is_due = time.monotonic() - reported > REPORT_EVERY_S
            if await _in_thread(_keep, feeds, records, catching_up, report=is_due):
                reported = time.monotonic()
            if records:
                catching_up.may_begin_at = 0.0
            if goes_on:
                await catching_up.go_on(stop)
        if receiver.done():
            receiver.result()
    except BaseException:
        # What was to be stored may be lost: the next pull has to begin before it.
        catching_up.lacking.update(feeds)
        raise
    finally:
        receiver.cancel()
        stopped.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await receiver
        while records := _drain(queue):
            await _in_thread(_keep, feeds, records, catching_up, report=False)


class _CatchingUp:
    """The feeds whose gap, from the watermark to the connection, is not filled yet.

    Until it is, records of the stream must not move the watermark, because the pull
    continues from there. The stream is connected first and the gap fetched then, so the
    two overlap.
    """

    def __init__(self, feeds: Feeds) -> None:
        self.lacking = dict(feeds)
        self._tried: set[FeedKey] = set()
        now = time.monotonic()
        # A first record shows that the connection works; a quiet feed has none.
        self.may_begin_at = now + FIRST_RECORD_S
        self._next_look = now

    async def go_on(self, stop: asyncio.Event) -> None:
        """Pull each feed that lacks records for a short turn, unless it must wait."""
        now = time.monotonic()
        if not self.lacking or now < max(self.may_begin_at, self._next_look):
            return
        self._next_look = now + PULL_EVERY_S
        for key, pk in list(self.lacking.items()):
            if stop.is_set():
                return
            if await _in_thread(_fill, pk, at_once=key not in self._tried):
                del self.lacking[key]
            self._tried.add(key)
        if not self.lacking:
            log.info("feed.listening", feeds=len(self._tried))


async def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do blocking work beside the loop; close the thread's database connection."""

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
    """Return the feeds to listen to, by source."""
    by_source: dict[str, Feeds] = {}
    for subscription in FeedSubscription.objects.filter(active=True):
        by_source.setdefault(subscription.source, {})[subscription.key] = (
            subscription.pk
        )
    return by_source


def _fill(pk: int, *, at_once: bool) -> bool:
    """Pull a feed's gap for a short turn, `at_once` or when due; tell if it is filled.

    A failure is stored on the subscription, which then waits as in the workers.
    """
    subscription = FeedSubscription.objects.filter(pk=pk).first()
    if subscription is None:
        return False
    with turn_at(subscription, even_early=at_once) as mine:
        return mine is not None and ingest.take_turn(mine, turn_s=FILL_TURN_S)


def _keep(
    feeds: Feeds,
    records: list[FeedRecord],
    catching_up: _CatchingUp,
    *,
    report: bool,
) -> bool:
    """Append; with `report` also store the delay of the newest closed records.

    Returns whether there was one to report.
    """
    if not records:
        return False
    lacking = catching_up.lacking
    append(r for r in records if r.key not in lacking)
    append((r for r in records if r.key in lacking), move_watermark=False)
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
        last_error=readable(error), last_error_at=clock.now()
    )
