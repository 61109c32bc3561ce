"""Check live_pool.json and its legacy shape, each alone and both together."""

from collections.abc import Iterator, Mapping
from typing import Any

from livepool.release.symbol_rules import (
    map_problems,
    normal_map,
    normal_symbols,
    symbol_problems,
)

POOL_FIELDS = (
    *("as_of_date", "version", "mode", "pool_size", "symbols", "symbol_map"),
    "source_project",
)
# Marks of a shadow track, which must never be published.
_SHADOW_KEYS = ("source_track", "candidate_status", "profile", "activation_date")


def live_problems(live: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with live_pool.json."""
    yield from _common_problems(live, "live_pool")
    listed = live.get("symbols")
    yield from symbol_problems(listed, "live_pool")
    symbols = normal_symbols(listed)
    if set(symbols) != set(normal_map(live.get("symbol_map"))):
        yield "live_pool symbols and symbol_map name different symbols"
    yield from _size_problems(live, "live_pool", len(symbols))
    yield from _version_problems(live, "live_pool")


def legacy_problems(legacy: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with live_pool_legacy.json, whose `symbols` is a map."""
    yield from _common_problems(legacy, "live_pool_legacy")
    yield from map_problems(legacy.get("symbols"), "live_pool_legacy symbols")
    if legacy.get("symbols") != legacy.get("symbol_map"):
        yield "live_pool_legacy symbols and symbol_map differ"
    size = len(normal_map(legacy.get("symbols")))
    yield from _size_problems(legacy, "live_pool_legacy", size)
    yield from _version_problems(legacy, "live_pool_legacy")


def agreement_problems(
    live: Mapping[str, Any], legacy: Mapping[str, Any], universe: list[str]
) -> Iterator[str]:
    """Yield where the two pool files and the universe do not agree."""
    ours = normal_symbols(live.get("symbols"))
    theirs = list(normal_map(legacy.get("symbols")))
    if set(ours) != set(theirs):
        yield "live_pool and live_pool_legacy name different symbols"
    elif ours != theirs:
        yield "live_pool and live_pool_legacy differ in order"
    outside = sorted(set(ours) - set(universe))
    if outside:
        yield f"live_pool has {', '.join(outside)} outside the universe"
    for key in ("mode", "version", "source_project"):
        if live.get(key) != legacy.get(key):
            yield f"live_pool and live_pool_legacy differ in {key}"


def positive_count(value: Any) -> int | None:
    """Return a positive integer, or None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        count = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return count if count > 0 else None


def _common_problems(payload: Mapping[str, Any], name: str) -> Iterator[str]:
    missing = [field for field in POOL_FIELDS if field not in payload]
    if missing:
        yield f"{name} lacks {', '.join(missing)}"
    shadow = [key for key in _SHADOW_KEYS if key in payload]
    if shadow:
        yield f"{name} is of a shadow track (it has {', '.join(shadow)})"
    for key in ("version", "mode", "source_project"):
        value = payload.get(key)
        if not isinstance(value, str) or not value.strip():
            yield f"{name} {key} must be text, was {value!r}"
    yield from map_problems(payload.get("symbol_map"), f"{name} symbol_map")


def _size_problems(payload: Mapping[str, Any], name: str, count: int) -> Iterator[str]:
    stated = payload.get("pool_size")
    size = positive_count(stated)
    if size is None:
        yield f"{name} pool_size must be a positive integer, was {stated!r}"
    elif size != count:
        yield f"{name} pool_size was {size}, it has {count} symbols"


def _version_problems(payload: Mapping[str, Any], name: str) -> Iterator[str]:
    version = payload.get("version")
    wanted = f"{str(payload.get('as_of_date'))[:10]}-{payload.get('mode')}"
    if version != wanted:
        yield f"{name} version was {version!r}, not {wanted!r}"
