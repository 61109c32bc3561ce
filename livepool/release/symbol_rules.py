"""Check a list or a map of symbols; each problem is a sentence."""

from collections.abc import Iterator
from typing import Any


def normal_symbols(value: Any) -> list[str]:
    """Return the symbols of a list in capitals, without items that are not text."""
    if not isinstance(value, list):
        return []
    return [symbol for symbol in map(_normal, value) if symbol]


def normal_map(value: Any) -> dict[str, Any]:
    """Return a map with its symbols in capitals; empty if it is not a map."""
    if not isinstance(value, dict):
        return {}
    return {_normal(symbol): entry for symbol, entry in value.items()}


def _normal(symbol: Any) -> str:
    return symbol.strip().upper() if isinstance(symbol, str) else ""


def symbol_problems(value: Any, name: str) -> Iterator[str]:
    """Yield what is wrong with a list of symbols; messages call it `name`."""
    if not isinstance(value, list) or not value:
        yield f"{name} symbols must be a list that is not empty"
        return
    for raw in value:
        symbol = _normal(raw)
        if not symbol:
            yield f"{name} symbols must be text, was {raw!r}"
        elif not symbol.endswith("USDT"):
            yield f"{name} symbol {symbol} is not quoted in USDT"
    symbols = normal_symbols(value)
    twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
    if twice:
        yield f"{name} names {', '.join(twice)} more than once"


def map_problems(value: Any, name: str) -> Iterator[str]:
    """Yield what is wrong with a map from symbols to their base assets."""
    if not isinstance(value, dict) or not value:
        yield f"{name} must be a map that is not empty"
        return
    yield from symbol_problems(list(value), name)
    for symbol, entry in value.items():
        base = entry.get("base_asset") if isinstance(entry, dict) else None
        if not isinstance(base, str) or not base.strip():
            yield f"{name} {symbol} needs a base_asset, was {entry!r}"
