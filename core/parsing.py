"""Parse JSON from outside; check size, width and depth before it costs much time."""

import json
import math
from typing import Any

LARGEST_BYTES = 64 * 2**10
# Items of lists and dicts, counted before decoding: this many take a few milliseconds.
MOST_VALUES = 50_000
# Levels of lists and dicts. Code that handles what was parsed recurses.
DEEPEST = 32


class JsonError(ValueError):
    """Why a document is refused: the rest of a sentence that begins with its name."""


def parse_json(
    data: bytes | str,
    *,
    largest_bytes: int = LARGEST_BYTES,
    most_values: int = MOST_VALUES,
    deepest: int = DEEPEST,
) -> Any:
    """Parse a document of UTF-8 whose numbers are finite; raises JsonError otherwise.

    The bounds limit the time: a document above `largest_bytes`, or that may hold more
    than `most_values`, is not decoded.
    """
    if len(data) > largest_bytes:
        raise JsonError(f"has {len(data)} bytes; at most {largest_bytes} are taken")
    if isinstance(data, str):
        data = data.encode(errors="surrogatepass")
    if sum(map(data.count, (b",", b"[", b"{"))) > most_values:
        raise JsonError(f"may hold more than {most_values} values")
    try:
        value = _decode(data.decode())
    except RecursionError:
        raise JsonError(f"is nested deeper than {deepest} levels") from None
    except ValueError as error:
        raise JsonError(f"is not JSON: {error}") from None
    if is_deeper(value, deepest):
        raise JsonError(f"is nested deeper than {deepest} levels")
    return value


def is_deeper(value: Any, levels: int) -> bool:
    """Return whether lists and dicts are nested more than this many levels deep."""
    level = [value]
    for _ in range(levels + 1):
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return False
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return True


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


_decode = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite).decode
