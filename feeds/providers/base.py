"""The interface of a provider: discovery, pull and push.

`fetch` is synchronous, because it is called from Celery's threads; `listen` is an
asynchronous iterator, because streams are. Both yield the same records, and both end in
`feeds.tape.writes.append`.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from feeds.errors import (
    UnknownGranularityError,
    UnknownKindError,
)
from feeds.granularity import seconds
from feeds.tape.records import CANDLE, FeedKey, FeedRecord, check_kind

STANDARD_GRANULARITIES = ("1s", "1m", "5m", "15m", "1h", "4h", "1d")


@dataclass(frozen=True)
class Subject:
    """A subject that a provider can serve."""

    symbol: str
    kinds: tuple[str, ...]
    granularities: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class FetchRequest:
    """The oldest `limit` records with `ts_event` in [start, end).

    If the source numbers its records and `from_id` is given, those from that number on.
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

    A page has at most `page_limit` records, ascending. A page shorter than its
    request's limit need not be the last; an empty page is. `granularities` is None if
    any length is possible. Failures raise ProviderError (later may help) or another
    FeedError (it will not). Records that the source numbers carry the number in
    `meta["id"]`.
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
    """Refuse a kind or granularity that `provider` lacks, naming those that it has."""
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


def records(
    key: FeedKey,
    at: Sequence[int],
    columns: dict[str, list[Any]],
    *,
    closed_before: datetime,
) -> list[FeedRecord]:
    """Make records of one feed from columns; closed if they end by `closed_before`."""
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
