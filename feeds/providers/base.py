"""What every provider offers: discovery, pull and push.

`fetch` is synchronous, because it is called from Celery's threads; `listen` is an
asynchronous iterator, because streams are. Both yield the same records, and both end in
`feeds.tape.writes.append`.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Protocol

import structlog

from core import clock
from core.texts import brief, describe, message_of
from feeds.errors import (
    FeedError,
    NothingUsableError,
    ProviderError,
    UnknownGranularityError,
    UnknownKindError,
)
from feeds.tape.checks import SKEW, checker
from feeds.tape.records import (
    CANDLE,
    MOMENTARY,
    FeedKey,
    FeedRecord,
    check_kind,
    seconds,
)

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
    """The oldest `limit` records with `ts_event` in [start, end).

    Of a source that numbers its records, those from number `from_id` on, if given.
    """

    subject: str
    kind: str
    granularity: str
    start: datetime
    end: datetime
    limit: int = 1000
    from_id: int | None = None

    def key(self, source: str) -> FeedKey:
        return FeedKey(source, self.subject, self.kind, self.granularity)


class Provider(Protocol):
    """A source of market data.

    A page holds at most `page_limit` records, ascending; one that is shorter than its
    request's limit need not be the last, an empty one is. `granularities` is None
    where any length will do. Failures raise ProviderError (later may help) or another
    FeedError (it will not). Records that the source numbers carry it in `meta["id"]`.
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


@contextmanager
def one_family(source: str) -> Iterator[None]:
    """Turn every error that comes out of a provider into a FeedError."""
    try:
        yield
    except FeedError:
        raise
    except Exception as error:
        raise ProviderError(f"{source} failed: {describe(error)}") from error


def ask(provider: Provider, request: FetchRequest) -> list[FeedRecord]:
    """Fetch, and keep what was asked for: this feed, between these instants.

    Raises NothingUsableError when everything that came is something else, or nothing
    of it can be kept.
    """
    with one_family(provider.name):
        found = provider.fetch(request)
        _, subject, kind, granularity = request.key(provider.name)
        kept = [
            record
            for record in found
            if request.start <= record.ts_event < request.end
            and record.subject == subject
            and record.kind == kind
            and record.granularity == granularity
        ]
        if found and not kept:
            raise NothingUsableError(
                f"{provider.name} was asked for {request.subject} from "
                f"{request.start} to {request.end} and answered with "
                f"{found[0].subject} at {found[0].ts_event}",
                rows=len(found),
            )
        if kept and "id" not in kept[0].meta:
            kept.sort(key=attrgetter("ts_event"))
        check = checker(request.key(provider.name), newest=clock.now() + SKEW)
        if kept and all(check(record) for record in kept):
            raise NothingUsableError(
                f"{provider.name} answered with nothing that can be kept: "
                f"{check(kept[0])}, {brief(kept[0].values)}",
                rows=len(kept),
            )
    return kept


def step(kind: str, granularity: str) -> timedelta:
    """The least distance between two records of a feed."""
    if kind == CANDLE:
        return timedelta(seconds=seconds(granularity))
    return timedelta(microseconds=1)


def since(kind: str, newest_at: datetime) -> datetime:
    """From where a feed is asked whose newest known record is at `newest_at`.

    From that record on, which may have been corrected; and from the beginning of its
    millisecond, because records of one millisecond do not come in their order.
    """
    if kind == CANDLE:
        return newest_at
    return newest_at.replace(microsecond=newest_at.microsecond // 1000 * 1000)


def after(record: FeedRecord) -> datetime:
    """From where a feed is asked for what follows `record`."""
    if "id" in record.meta:
        return since(record.kind, record.ts_event)
    return record.ts_event + step(record.kind, record.granularity)


def pages(provider: Provider, request: FetchRequest) -> Iterator[list[FeedRecord]]:
    """Fetch [start, end) page by page, oldest first, until a page is empty.

    Numbered records are followed by their numbers, others by their instants. A source
    may give fewer than it was asked for; what is measured now has one page.
    """
    limit = min(request.limit, provider.page_limit)
    asked = replace(request, limit=limit)
    is_first = True
    while asked.start < asked.end:
        try:
            page = provider.fetch(asked)
        except NothingUsableError as error:
            # The newest record alone: it is asked for again with the next pull.
            if error.rows == 1 and not is_first:
                return
            raise
        if not page:
            return
        yield page
        if request.kind in MOMENTARY:
            return
        last = page[-1]
        number = last.meta.get("id")
        following = replace(
            asked,
            start=after(last),
            from_id=None if number is None else number + 1,
        )
        if following == asked:
            raise ProviderError(f"{provider.name} gives the same page again and again")
        asked, is_first = following, False


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
    wanted: dict[FeedKey, datetime] = {}
    while True:
        now, failures = clock.now(), 0
        for feed in feeds:
            # Ahead of now: the clock has been set back since.
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
