"""The providers by name."""

import importlib

from feeds.errors import UnknownSourceError
from feeds.providers.base import Provider, one_family
from feeds.providers.boundary import Guarded

# Imported when asked for: nobody pays for clients that are not used.
_PROVIDERS = {
    "binance": "feeds.providers.binance:Binance",
    "pyth": "feeds.providers.pyth:Pyth",
    "replay": "feeds.providers.replay:Replay",
    "simulated": "feeds.providers.simulated:Simulated",
}


def names() -> list[str]:
    return sorted(_PROVIDERS)


def create(name: str) -> Provider:
    """The provider called `name` (case does not matter), behind the edge."""
    path = _PROVIDERS.get(name.strip().lower())
    if path is None:
        raise UnknownSourceError(
            f"source was {name!r}; the known sources are {', '.join(names())}"
        )
    module, attribute = path.split(":")
    with one_family(name):
        return Guarded(getattr(importlib.import_module(module), attribute)())
