"""Which answers count: the shape of an output, its size, and its numbers.

The site checks types with the contract's pydantic model; a participant's package, which
has no pydantic, with the fields of that model's JSON Schema (`coerced`).
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# The text of an output as COPY writes it.
_as_stored = json.JSONEncoder(
    allow_nan=False, ensure_ascii=False, separators=(",", ":")
).encode
_EXPONENT = re.compile(r"\de[+-](\d{2,3})\b")
_TRUE = {"true", "t", "yes", "y", "on", "1"}
_FALSE = {"false", "f", "no", "n", "off", "0"}


def as_output(answer: Any, fields: Iterable[str]) -> dict[str, Any]:
    """Return an answer as a dict: anything else becomes the type's first field.

    Raises ValueError for a dict that has none of the fields.
    """
    names = list(fields)
    output = answer if isinstance(answer, dict) else {(names or ["result"])[0]: answer}
    if names and not set(names) & output.keys():
        keys = f"{sorted(map(str, output))!r:.200}"
        raise ValueError(f"keys were {keys}; one of {sorted(names)} is needed")
    return output


def require_size(output: Mapping[str, Any], largest_bytes: int) -> None:
    """Raise ValueError for an output with NaN or infinity, or for a too large one.

    All answers of a round are stored by one COPY, so one bad output would fail it.
    """
    text = _as_stored(output)
    size = len(text) if text.isascii() else len(text.encode())
    if "e" in text:  # PostgreSQL writes exponents out: 1e308 becomes 309 digits
        size += sum(map(int, _EXPONENT.findall(text)))
    if size > largest_bytes:
        raise ValueError(
            f"the output has {size} bytes; at most {largest_bytes} are stored"
        )


def coerced(output: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the output with its fields as a JSON Schema's types, and its defaults.

    As pydantic does: a number as text counts, a missing field without a default does
    not. Raises ValueError naming the first field that does not fit. Of nested objects
    only the presence is checked.
    """
    found = {}
    for name, field in schema.get("properties", {}).items():
        if name in output:
            found[name] = _fitting(name, output[name], field)
        elif name in schema.get("required", ()):
            raise ValueError(f"{name} was missing: Field required")
        elif "default" in field:
            found[name] = field["default"]
    return {**output, **found}


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
