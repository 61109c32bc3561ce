"""The providers by name."""

import importlib

from feeds.errors import UnknownSourceError
from feeds.providers.base import Provider, one_family
from feeds.providers.boundary import Guarded
from feeds.tape.records import SOURCES


def names() -> list[str]:
    return list(SOURCES)


def create(name: str) -> Provider:
    """The provider called `name` (case does not matter), behind the edge."""
    known = name.strip().lower()
    if known not in SOURCES:
        raise UnknownSourceError(
            f"source was {name!r}; the known sources are {', '.join(names())}"
        )
    with one_family(name):
        # Imported when asked for: nobody pays for clients that are not used.
        module = importlib.import_module(f"feeds.providers.{known}")
        return Guarded(getattr(module, known.capitalize())())
