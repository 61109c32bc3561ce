"""Read the live pool in a trading system: verified and fresh, or marked degraded.

This folder needs the standard library only (and `cryptography` when a public key is
given), so it can be copied as it is. A reader tries in turn: the summary document, the
last known good, synchronised local files, the static universe. Order and membership
belong to the publisher: symbols are returned as published. Nothing that a source holds
is believed before it was checked, and nothing that it holds can stop a reader.
"""

from .json_files import MOST_BYTES
from .live_pool import STATIC_SYMBOLS, Pool, PoolError
from .manifest import CONTRACT_VERSION
from .payload import MOST_SYMBOLS
from .reader import Reader, document_file, load_trend_pool

__all__ = [
    "CONTRACT_VERSION",
    "MOST_BYTES",
    "MOST_SYMBOLS",
    "STATIC_SYMBOLS",
    "Pool",
    "PoolError",
    "Reader",
    "document_file",
    "load_trend_pool",
]
