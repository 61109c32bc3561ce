"""Write any JSON data, floats too, as the one text that is hashed.

The text is RFC 8785 without numbers. A number is the text `#` and its shortest exact
decimal, without exponent and without zeros at the end; a text that begins with `#` gets
a second one. So different data have different texts, one number has one text however a
program writes it, and what a database's JSON column returns has the text of what was
stored.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from ..texts import (  # noqa: TID252  packages hold this file elsewhere
    storable_json,
)
from .errors import LogFormatError

quoted = encode_basestring  # a text as RFC 8785 has it
MOST_NAMES = 4_096
LONGEST_NUMBER = 1_200  # digits and zeros of the smallest float
# Keys that were met, quoted: those in ASCII, whose order is that of their UTF-16 too.
_names: dict[str, str] = {}
_NUMBER = re.compile(r"#-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_WORDS = {None: "null", True: "true", False: "false"}


def exact_json(value: Any) -> str:
    """Return the text of texts, numbers, booleans, None, lists and dicts.

    Other values are what `json.dumps` makes of them. Characters that PostgreSQL cannot
    hold are replaced, as when they are stored. Raises LogFormatError for infinities,
    NaN and what is no JSON.
    """
    try:
        text = _text(value)
    except TypeError:
        text = _text(_plain(value))
    if "\\u0000" in text or (not text.isascii() and _has_surrogate(text)):
        text = _text(storable_json(_plain(value)))
    return text


def exact_digest(value: Any) -> str:
    """Return the SHA-256, in hex, of a value's exact JSON; raises as `exact_json`."""
    return hashlib.sha256(exact_json(value).encode()).hexdigest()


def parse_exact(text: str) -> Any:
    """Return the data of which a text is the exact JSON; raises LogFormatError.

    A number without a point is an int, any other a float.
    """
    try:
        return _data(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise LogFormatError(f"this is no exact JSON: {error}") from None


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


def _data(value: Any) -> Any:
    if isinstance(value, str) and value[:1] == "#":
        if value[1:2] == "#":
            return value[1:]
        if len(value) > LONGEST_NUMBER or not _NUMBER.fullmatch(value):
            raise ValueError(f"{value[:40]!r} is no number")
        return float(value[1:]) if "." in value else int(value[1:])
    if isinstance(value, dict):
        return {key: _data(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_data(item) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("a number is a text that begins with #")  # noqa: TRY004
    return value


def _text(value: Any) -> str:  # noqa: PLR0911  one for each of JSON's types
    """Return the text of JSON's own types; raises TypeError for any other."""
    kind = type(value)
    if kind is dict:
        parts = []
        for key in sorted(value) if len(value) > 1 else value:
            name = _names.get(key)
            if name is None:
                return _text_of_any_keys(value)
            item = value[key]
            if type(item) is float:  # most answers are one of these
                text = repr(item)
                if "e" in text or "n" in text:
                    text = decimal_text(item)
                elif text[-2:] == ".0":
                    text = text[:-2] if item else "0"
                parts.append(f'{name}:"#{text}"')
            else:
                parts.append(f"{name}:{_text(item)}")
        return "{" + ",".join(parts) + "}"
    if kind is float:
        return f'"#{decimal_text(value)}"'
    if kind is str:
        return quoted(f"#{value}" if value[:1] == "#" else value)
    if kind is list:
        return "[" + ",".join(map(_text, value)) + "]"
    if kind is int:
        return f'"#{value}"'
    if value is None or kind is bool:
        return _WORDS[value]
    raise TypeError(kind)


def _text_of_any_keys(value: Mapping[Any, Any]) -> str:
    keys = _ordered(value)
    if len(_names) < MOST_NAMES:
        _names.update({key: quoted(key) for key in keys if key.isascii()})
    return "{" + ",".join([f"{quoted(k)}:{_text(value[k])}" for k in keys]) + "}"


def _ordered(value: Mapping[Any, Any]) -> list[str]:
    """Return keys in the order of RFC 8785: by their UTF-16 code units."""
    if not all(type(key) is str for key in value):
        raise TypeError("a key of JSON is a text")
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
