"""The earlier name of `livepool.reader`, which trading systems may still import."""

from livepool.reader import (
    CONTRACT_VERSION,
    MOST_BYTES,
    MOST_SYMBOLS,
    STATIC_SYMBOLS,
    Pool,
    PoolError,
    Reader,
    document_file,
    load_trend_pool,
)

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
