"""Create providers by name."""

import importlib
from collections.abc import Sequence

from feeds.errors import FeedError, UnknownSourceError, UnknownSubjectError
from feeds.providers.base import Provider, check_served
from feeds.providers.boundary import Guarded
from feeds.providers.pull import one_family
from feeds.tape.record_checks import NAME
from feeds.tape.records import SOURCES, FeedKey


def names() -> list[str]:
    return list(SOURCES)


def create(name: str) -> Provider:
    """Create the provider called `name`, in any case, with its answers checked."""
    known = name.strip().lower()
    if known not in SOURCES:
        raise UnknownSourceError(
            f"source was {name!r}; the known sources are {', '.join(names())}"
        )
    with one_family(name):
        # Imported on demand, so that unused clients cost nothing.
        module = importlib.import_module(f"feeds.providers.{known}")
        return Guarded(getattr(module, known.capitalize())())


def check_feed(key: FeedKey, *, fallbacks: Sequence[str] = ()) -> None:
    """Raise FeedError for what `key.source`, or one of its fallbacks, cannot serve."""
    if not isinstance(fallbacks, (list, tuple)):
        raise FeedError(f"fallbacks were {fallbacks!r}; give a list of sources")
    for source in (key.source, *fallbacks):
        if source not in names():
            raise UnknownSourceError(
                f"source was {source!r}; the known sources are {', '.join(names())}"
            )
    if not NAME.fullmatch(key.subject):
        raise UnknownSubjectError(
            f"subject was {key.subject!r}; give letters, digits, '.', '_' or '-'"
        )
    for source in (key.source, *fallbacks):
        check_served(create(source), key)
