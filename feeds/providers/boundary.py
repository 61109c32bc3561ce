"""The one edge between a source and the site.

Whatever goes wrong inside a provider leaves it as a FeedError, and what it answers is
compared with what was asked.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from feeds.providers.base import FetchRequest, Provider, Subject
from feeds.providers.pull import ask, one_family
from feeds.tape.records import FeedKey, FeedRecord


class Guarded:
    """A provider behind the edge; what `registry.create` gives."""

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
        """Yield records of `feeds` alone, whatever else the source sends."""
        wanted = set(feeds)
        with one_family(self.name):
            async with aclosing(self._provider.listen(feeds)) as records:
                async for record in records:
                    if record.key in wanted:
                        yield record
