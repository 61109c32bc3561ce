"""Write any JSON data, floats too, as the one text that is hashed.

The text is RFC 8785 without numbers. A number is the text `#` and its shortest exact
decimal, without exponent and without zeros at the end; a text that begins with `#` gets
a second one. So different data have different texts, one number has one text however a
program writes it, and what a database's JSON column returns has the text of what was
stored.
"""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from ..texts import (  # noqa: TID252  packages hold this file elsewhere
    has_nul,
    storable_json,
)
from .errors import LogFormatError

quoted = encode_basestring  # a text as RFC 8785 has it
_WORDS = {None: "null", True: "true", False: "false"}


def exact_json(value: Any) -> str:
    """Return the text of texts, numbers, booleans, None, lists and dicts.

    Other values are what `json.dumps` makes of them. Characters that PostgreSQL cannot
    hold are replaced, as when they are stored. Raises LogFormatError for infinities,
    NaN and what is no JSON.
    """
    try:
        text = _text(value)
    except _UnusualError:
        text = _text(_plain(value))
    if has_nul(text) or (not text.isascii() and _has_surrogate(text)):
        text = _text(storable_json(_plain(value)))
    return text


def decimal_text(value: float) -> str:
    """Return the shortest exact decimal of a number: `0.1`, `-12`, `0.0000001`.

    Raises LogFormatError for infinities and NaN.
    """
    if not math.isfinite(value):
        raise LogFormatError("a number is finite")
    text = int.__repr__(value) if isinstance(value, int) else float.__repr__(value)
    if "e" in text:
        text = f"{Decimal(text):f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class _UnusualError(Exception):
    """A value that `json.dumps` takes, but of none of JSON's own types."""


def _text(value: Any) -> str:
    kind = type(value)
    if kind is float:
        text = float.__repr__(value)
        if "e" in text or "n" in text or text[-2:] == ".0":
            text = decimal_text(value)
        return f'"#{text}"'
    if kind is str:
        return quoted(f"#{value}" if value[:1] == "#" else value)
    if kind is dict:
        keys = sorted(value) if _are_plain(value) else _ordered(value)
        return "{" + ",".join([f"{quoted(k)}:{_text(value[k])}" for k in keys]) + "}"
    if kind is list:
        return "[" + ",".join(map(_text, value)) + "]"
    if kind is int:
        return f'"#{value}"'
    if value is None or kind is bool:
        return _WORDS[value]
    raise _UnusualError


def _are_plain(value: Mapping[Any, Any]) -> bool:
    for key in value:  # noqa: SIM110  `all` would double the time of most answers
        if type(key) is not str or not key.isascii():
            return False
    return True


def _ordered(value: Mapping[Any, Any]) -> list[str]:
    """Return keys in the order of RFC 8785: by their UTF-16 code units."""
    if not all(type(key) is str for key in value):
        raise _UnusualError
    return sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))


def _plain(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise LogFormatError(f"this is no JSON: {error}") from None


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
