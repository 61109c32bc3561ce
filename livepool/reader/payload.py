"""Read the fields of a published payload, checking each one."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import Any

from .live_pool import PoolError, base_asset
from .messages import render

MOST_SYMBOLS = 1000

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SYMBOL = re.compile(r"[^\W_]{1,40}USDT")


def symbols_of(payload: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the symbols in the order of `symbols`, and the base asset of each."""
    listed = payload.get("symbols")
    mapped = payload.get("symbol_map")
    if mapped is None and isinstance(listed, Mapping):
        mapped = listed
    if listed is None:
        listed = mapped
    if not isinstance(listed, (list, tuple, Mapping)) or not listed:
        raise PoolError(f"symbols must be a list or a map, was {render(listed)}")
    if len(listed) > MOST_SYMBOLS:
        raise PoolError(f"symbols has {len(listed)} entries, limit {MOST_SYMBOLS}")
    symbols: dict[str, None] = {}
    for raw in listed:
        symbol = raw.strip().upper() if isinstance(raw, str) else ""
        if not _SYMBOL.fullmatch(symbol):
            raise PoolError(f"symbol {render(raw)} is not a coin quoted in USDT")
        if symbol in symbols:
            raise PoolError(f"symbol {symbol} is named more than once")
        symbols[symbol] = None
    if mapped is None:
        return tuple(symbols), {s: base_asset(s) for s in symbols}
    if not isinstance(mapped, Mapping) or set(mapped) != set(symbols):
        raise PoolError("symbols and symbol_map name different symbols")
    bases = {}
    for symbol in symbols:
        entry = mapped[symbol]
        base = entry.get("base_asset") if isinstance(entry, Mapping) else None
        if not isinstance(base, str) or not 0 < len(base.strip()) <= 40:
            raise PoolError(f"symbol_map {symbol} has no base_asset")
        bases[symbol] = base
    return tuple(symbols), bases


def text_of(payload: Mapping[str, Any], key: str, assumed: str) -> str:
    """Return a short text of the payload, or `assumed` if it is missing."""
    value = payload.get(key)
    if value is None or value == "":
        return assumed
    if not isinstance(value, str) or len(value) > 200:
        raise PoolError(f"{key} must be a short text, was {render(value)}")
    return value


def date_of(value: Any) -> date:
    """Return the date at the beginning of an ISO text. Raises PoolError."""
    if isinstance(value, str) and _DATE.match(value):
        with suppress(ValueError):
            return date.fromisoformat(value[:10])
    raise PoolError(f"as_of_date must be a date, was {render(value)}")


def is_instant(value: Any) -> bool:
    """Return whether a value is an ISO instant with a time zone."""
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(value).tzinfo is not None
    return False
