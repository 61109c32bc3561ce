"""Pull from a provider: one request with checks, and many in a row."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from operator import attrgetter

from core import clock
from core.texts import brief, describe
from feeds.errors import FeedError, NothingUsableError, ProviderError
from feeds.granularity import seconds
from feeds.providers.base import FetchRequest, Provider
from feeds.tape.record_checks import SKEW, checker
from feeds.tape.records import CANDLE, MOMENTARY, FeedRecord


@contextmanager
def one_family(source: str) -> Iterator[None]:
    """Turn every error of a provider into a FeedError."""
    try:
        yield
    except FeedError:
        raise
    except Exception as error:
        raise ProviderError(f"{source} failed: {describe(error)}") from error


def ask(provider: Provider, request: FetchRequest) -> list[FeedRecord]:
    """Fetch records, and keep those that match the request: this feed and period.

    Raises NothingUsableError if records came and none matches, or none is valid.
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
                f"{provider.name} answered with no usable record: "
                f"{check(kept[0])}, {brief(kept[0].values)}",
                rows=len(kept),
            )
    return kept


def step(kind: str, granularity: str) -> timedelta:
    """Return the smallest distance between two records of a feed."""
    if kind == CANDLE:
        return timedelta(seconds=seconds(granularity))
    return timedelta(microseconds=1)


def since(kind: str, newest_at: datetime) -> datetime:
    """Return the instant to ask from for a feed whose newest record is at `newest_at`.

    That record is included, because it may have been corrected, and so is its whole
    millisecond, because records of one millisecond do not come in order.
    """
    if kind == CANDLE:
        return newest_at
    return newest_at.replace(microsecond=newest_at.microsecond // 1000 * 1000)


def after(record: FeedRecord) -> datetime:
    """Return the instant to ask from for what follows `record`."""
    if "id" in record.meta:
        return since(record.kind, record.ts_event)
    return record.ts_event + step(record.kind, record.granularity)


def pages(provider: Provider, request: FetchRequest) -> Iterator[list[FeedRecord]]:
    """Fetch [start, end) page by page, oldest first, until one is empty or ends open.

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
            # Only the newest record came: the next pull asks for it again.
            if error.rows == 1 and not is_first:
                return
            raise
        if not page:
            return
        yield page
        last = page[-1]
        # What follows an open candle may be closed by now: on the tape, it would move
        # the watermark past the open one, which would then never be closed.
        if request.kind in MOMENTARY or not last.is_closed:
            return
        number = last.meta.get("id")
        following = replace(
            asked,
            start=after(last),
            from_id=None if number is None else number + 1,
        )
        if following == asked:
            raise ProviderError(f"{provider.name} gives the same page again and again")
        asked, is_first = following, False
