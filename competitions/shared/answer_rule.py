"""Which answers count: the shape of an output, its size, and its numbers.

The site checks types with the contract's pydantic model; a participant's package, which
has no pydantic, with the fields of that model's JSON Schema (`OutputFields`).
"""

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

# The text of an output as COPY writes it.
_as_stored = json.JSONEncoder(
    allow_nan=False, ensure_ascii=False, separators=(",", ":")
).encode
_EXPONENT = re.compile(r"\de[+-](\d{2,3})\b")
# The most that a number takes: its text, and the digits of an exponent written out.
_LONGEST_NUMBER = 24 + 308
# The most that a character takes: \u001f.
_LONGEST_CHARACTER = 6
_TRUE = {"true", "t", "yes", "y", "on", "1"}
_FALSE = {"false", "f", "no", "n", "off", "0"}


def as_output(answer: Any, fields: Collection[str]) -> dict[str, Any]:
    """Return an answer as a dict: anything else becomes the type's first field.

    Raises ValueError for a dict that has none of the fields.
    """
    if not isinstance(answer, dict):
        return {next(iter(fields), "result"): answer}
    if fields and answer.keys().isdisjoint(fields):
        keys = f"{sorted(map(str, answer))!r:.200}"
        raise ValueError(f"keys were {keys}; one of {sorted(fields)} is needed")
    return answer


def require_size(output: Mapping[str, Any], largest_bytes: int) -> None:
    """Raise ValueError for an output with NaN or infinity, or for a too large one.

    All answers of a round are stored by one COPY, so one bad output would fail it.
    """
    if _has_short_numbers(output, largest_bytes):
        return
    text = _as_stored(output)
    size = len(text) if text.isascii() else len(text.encode())
    if "e" in text:  # PostgreSQL writes exponents out: 1e308 becomes 309 digits
        size += sum(map(int, _EXPONENT.findall(text)))
    if size > largest_bytes:
        raise ValueError(
            f"the output has {size} bytes; at most {largest_bytes} are stored"
        )


def _has_short_numbers(output: Mapping[str, Any], largest_bytes: int) -> bool:
    """Return whether an output is of finite floats alone, and small however written."""
    total, most_bytes = 0.0, 2
    for name, value in output.items():
        if type(value) is not float or type(name) is not str:
            return False
        total += value
        most_bytes += len(name) * _LONGEST_CHARACTER + _LONGEST_NUMBER + 4
    return most_bytes <= largest_bytes and math.isfinite(total)


class _Field(NamedTuple):
    name: str
    schema: Mapping[str, Any]
    is_required: bool
    # A number without bounds: a finite float is one as it is.
    is_number: bool


class OutputFields:
    """The fields of an output type, from its JSON Schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self.names: Mapping[str, Any] = schema.get("properties", {})
        needed = schema.get("required", ())
        self._fields = [
            _Field(name, field, name in needed, _is_plain_number(field))
            for name, field in self.names.items()
        ]
        is_plain = all(each.is_number for each in self._fields)
        # All fields where all are plain numbers, else none.
        self._plain = frozenset(self.names) if is_plain else frozenset()

    def coerced(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """Return the output with its fields as their types, and with their defaults.

        As pydantic does: a number as text counts, a missing field without a default
        does not. Raises ValueError naming the first field that does not fit. Of nested
        objects only the presence is checked.
        """
        found = dict(output)
        for name, field, is_required, is_number in self._fields:
            if name not in output:
                if is_required:
                    raise ValueError(f"{name} was missing: Field required")
                if "default" in field:
                    found[name] = field["default"]
                continue
            value = output[name]
            if is_number and type(value) is float and math.isfinite(value):
                continue
            found[name] = _fitting(name, value, field)
        return found

    def accept(self, output: Mapping[str, Any], largest_bytes: int) -> bool:
        """Return whether `coerced` and `require_size` leave an output as it is.

        In one pass, for outputs of floats alone; False for all others says nothing.
        """
        return (
            bool(self._plain)
            and output.keys() >= self._plain
            and _has_short_numbers(output, largest_bytes)
        )


def _is_plain_number(field: Mapping[str, Any]) -> bool:
    is_bounded = field.keys() & {"anyOf", "enum", "const", *_BOUNDS}
    return field.get("type") == "number" and not is_bounded


def _fitting(name: str, value: Any, field: Mapping[str, Any]) -> Any:
    options = field.get("anyOf")
    if options:
        for option in options:
            try:
                return _fitting(name, value, option)
            except ValueError:
                continue
        raise ValueError(f"{name} was {value!r:.200}; no type of it fits")
    if "enum" in field and value not in field["enum"]:
        raise ValueError(f"{name} was {value!r:.200}; it is one of {field['enum']}")
    if "const" in field and value != field["const"]:
        raise ValueError(f"{name} was {value!r:.200}; it is {field['const']!r}")
    cast = _CASTS.get(field.get("type", ""))
    if cast is None:
        return value
    try:
        fit = cast(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"{name} was {value!r:.200}; it must be a {field['type']}"
        ) from None
    for bound, is_within in _BOUNDS.items():
        if bound in field and not is_within(fit, field[bound]):
            raise ValueError(
                f"{name} was {value!r:.200}; its {bound} is {field[bound]}"
            )
    return fit


def _number(value: Any) -> float:
    if not isinstance(value, (bool, int, float, str)):
        raise TypeError(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _integer(value: Any) -> int:
    if isinstance(value, str):
        return int(value)
    number = _number(value)
    if number != int(number):
        raise ValueError(value)
    return int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _truth(value: Any) -> bool:
    if value in (0, 1) and not isinstance(value, str):
        return bool(value)
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise TypeError(value)


def _nothing(value: Any) -> None:
    if value is not None:
        raise TypeError(value)


_CASTS: dict[str, Callable[[Any], Any]] = {
    "number": _number,
    "integer": _integer,
    "string": _text,
    "boolean": _truth,
    "null": _nothing,
}
_BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
    "minLength": lambda value, bound: len(value) >= bound,
    "maxLength": lambda value, bound: len(value) <= bound,
}
