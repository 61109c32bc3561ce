"""What every provider offers: discovery, pull and push.

`fetch` is synchronous, because it is called from Celery's threads; `listen` is an
asynchronous iterator, because streams are. Both yield the same records, and both end in
`feeds.tape.writes.append`.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import requests
import structlog

from feeds import clock
from feeds.errors import FeedError, UnknownGranularityError, UnknownKindError
from feeds.records import CANDLE, FeedKey, FeedRecord, check_kind, seconds

STANDARD_GRANULARITIES = ("1s", "1m", "5m", "15m", "1h", "4h", "1d")
POLL_FLOOR_S = 0.5

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Subject:
    """A subject that a provider can serve."""

    symbol: str
    kinds: tuple[str, ...]
    granularities: tuple[str, ...]
    source: str
    display_name: str = ""


@dataclass(frozen=True)
class FetchRequest:
    """The oldest `limit` records with `ts_event` in [start, end)."""

    subject: str
    kind: str
    granularity: str
    start: datetime
    end: datetime
    limit: int = 1000

    def key(self, source: str) -> FeedKey:
        return FeedKey(source, self.subject, self.kind, self.granularity)


class Provider(Protocol):
    """A source of market data.

    A page holds at most `page_limit` records, ascending; one that is shorter than its
    request's limit is the last. `granularities` is None where any length will do.
    Failures raise ProviderError (later may help) or another FeedError (it will not).
    """

    @property
    def name(self) -> str: ...

    @property
    def kinds(self) -> tuple[str, ...]: ...

    @property
    def granularities(self) -> tuple[str, ...] | None: ...

    @property
    def page_limit(self) -> int: ...

    def list_subjects(self) -> list[Subject]: ...

    def fetch(self, request: FetchRequest) -> list[FeedRecord]: ...

    def listen(self, feeds: Sequence[FeedKey]) -> AsyncGenerator[FeedRecord]: ...


def check_served(provider: Provider, request: FetchRequest | FeedKey) -> None:
    """Refuse a kind or granularity that `provider` lacks, naming those it has."""
    check_kind(request.kind)
    seconds(request.granularity)
    if request.kind not in provider.kinds:
        raise UnknownKindError(
            f"kind was {request.kind!r}; "
            f"{provider.name} serves {', '.join(provider.kinds)}"
        )
    served = provider.granularities
    if served is not None and request.granularity not in served:
        raise UnknownGranularityError(
            f"granularity was {request.granularity!r}; "
            f"{provider.name} serves {', '.join(served)}"
        )


def retry_after_s(response: requests.Response, *, default_s: float) -> float:
    """Seconds of a Retry-After header, which holds a number or a date (RFC 9110)."""
    text = response.headers.get("Retry-After", "")
    if text.strip().isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return default_s
    return max(0.0, (until - clock.wall_now()).total_seconds())


def step(kind: str, granularity: str) -> timedelta:
    """The least distance between two records of a feed."""
    if kind == CANDLE:
        return timedelta(seconds=seconds(granularity))
    return timedelta(microseconds=1)


def pages(provider: Provider, request: FetchRequest) -> Iterator[list[FeedRecord]]:
    """Fetch [start, end) page by page, oldest first."""
    limit = min(request.limit, provider.page_limit)
    start = request.start
    while start < request.end:
        page = provider.fetch(replace(request, start=start, limit=limit))
        if page:
            yield page
        if len(page) < limit:
            return
        start = page[-1].ts_event + step(request.kind, request.granularity)


async def poll(
    provider: Provider,
    feeds: Sequence[FeedKey],
    *,
    every_s: float = 1.0,
    gives_up: bool = True,
) -> AsyncGenerator[FeedRecord]:
    """`listen` of a provider without streams: fetch what is new, again and again.

    It begins with the newest closed record. A feed that fails is asked again and stops
    no other; when all fail, the last error is raised, unless it never `gives_up`.
    """
    said: dict[FeedKey, str] = {}
    since = {
        feed: clock.now() - 2 * step(feed.kind, feed.granularity) for feed in feeds
    }
    while True:
        until, failures = clock.now() + timedelta(seconds=1), 0
        for feed in feeds:
            request = FetchRequest(
                subject=feed.subject,
                kind=feed.kind,
                granularity=feed.granularity,
                start=since[feed],
                end=until,
                limit=provider.page_limit,
            )
            try:
                found = await asyncio.to_thread(provider.fetch, request)
            except FeedError as error:
                failures += 1
                if gives_up and failures == len(feeds):
                    raise
                if said.get(feed) != (text := str(error)):
                    log.warning("feed.not_polled", feed=feed.id, error=text)
                    said[feed] = text
                continue
            for record in found:
                yield record
                if record.is_closed:
                    since[feed] = record.ts_event + step(feed.kind, feed.granularity)
        await asyncio.sleep(max(POLL_FLOOR_S, every_s / clock.speed()))


async def merged(
    *sources: AsyncGenerator[FeedRecord],
) -> AsyncGenerator[FeedRecord]:
    """What any of `sources` yields, as it comes; the first that fails ends all."""
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


def records(
    key: FeedKey,
    at: Sequence[int],
    columns: dict[str, list[Any]],
    *,
    closed_before: datetime,
) -> list[FeedRecord]:
    """Records of one feed from columns; closed when `closed_before` has passed them."""
    names = tuple(columns)
    length = seconds(key.granularity) if key.kind == CANDLE else 0
    closed = closed_before.timestamp() - length
    return [
        FeedRecord(
            *key,
            datetime.fromtimestamp(instant, UTC),
            dict(zip(names, row, strict=True)),
            instant <= closed,
        )
        for instant, row in zip(at, zip(*columns.values(), strict=True), strict=True)
    ]
