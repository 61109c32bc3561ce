"""What a column, a COPY, a log line, a page and a JSON document can hold of a text."""

import re
from typing import Any

LONGEST_TEXT = 2_000
_CUT = "…"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# PostgreSQL refuses NUL and lone surrogates; the other controls move a terminal's
# cursor or split a log line; the directional marks reorder what a reader sees.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
# PostgreSQL holds every other character, inside JSON too.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def readable(text: str, *, limit: int = LONGEST_TEXT) -> str:
    """Return a stranger's text as it may be stored, logged and shown.

    Line ends become LF, other controls the replacement character, and what is longer
    than `limit` characters is cut and ends in an ellipsis. Idempotent.
    """
    head = text[: 2 * limit + 2]  # a CR LF pair is one character less
    clean = _UNSAFE.sub(_REPLACEMENT, head.replace("\r\n", "\n").replace("\r", "\n"))
    if len(clean) <= limit and len(head) == len(text):
        return clean
    return clean[: limit - len(_CUT)] + _CUT


def describe(error: BaseException, *, limit: int = LONGEST_TEXT) -> str:
    """Return `Type: message` of an exception, readable; never raises.

    Strangers' exceptions may raise in their own `__str__`.
    """
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  a stranger's `__str__` may raise anything
        message = "(its text cannot be read)"
    name = type(error).__name__
    return readable(f"{name}: {message}" if message else name, limit=limit)


def storable(text: str) -> str:
    """Return `text` with what PostgreSQL refuses replaced: NUL and lone surrogates."""
    return _UNSTORABLE.sub(_REPLACEMENT, text)


def storable_json(value: Any) -> Any:
    """Return JSON data with every text and key in it storable, at any depth."""
    match value:
        case str():
            return storable(value)
        case dict():
            return {storable(str(k)): storable_json(v) for k, v in value.items()}
        case list() | tuple():
            return [storable_json(item) for item in value]
    return value
