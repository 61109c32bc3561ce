"""Check everything that passes between a source and the site.

Any error inside a provider becomes a FeedError, and its answers are compared with the
request.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from feeds.providers.base import FetchRequest, Provider, Subject
from feeds.providers.pull import ask, one_family
from feeds.tape.records import FeedKey, FeedRecord


class Guarded:
    """A provider with checked answers; `sources.create` returns it."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    @property
    def name(self) -> str:
        return self._provider.name

    @property
    def kinds(self) -> tuple[str, ...]:
        return self._provider.kinds

    @property
    def granularities(self) -> tuple[str, ...] | None:
        return self._provider.granularities

    @property
    def page_limit(self) -> int:
        return self._provider.page_limit

    def list_subjects(self) -> list[Subject]:
        with one_family(self.name):
            return list(self._provider.list_subjects())

    def fetch(self, request: FetchRequest) -> list[FeedRecord]:
        return ask(self._provider, request)

    async def listen(self, feeds: Sequence[FeedKey]) -> AsyncGenerator[FeedRecord]:
        """Yield only records of `feeds`, whatever else the source sends."""
        wanted = set(feeds)
        with one_family(self.name):
            async with aclosing(self._provider.listen(feeds)) as records:
                async for record in records:
                    if record.key in wanted:
                        yield record
