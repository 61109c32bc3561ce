"""Write what is hashed as the one JSON text that it has: RFC 8785, without floats.

Figures go in as decimal texts (`figure`): two programs write the same float in two
ways, and one figure must have one hash.
"""

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import rfc8785

from .errors import LogFormatError

LARGEST_INT = 2**53 - 1
DEEPEST = 32

_WIDE = Context(prec=80)


def canonical_json(value: Any) -> bytes:
    """Return the UTF-8 JSON of texts, integers, booleans, None, lists and mappings.

    Raises LogFormatError for floats, integers beyond 2**53 - 1, keys that are no text,
    lone surrogates, and depths over 32.
    """
    _check(value, DEEPEST)
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise LogFormatError(f"this has no canonical JSON: {error}") from None


def figure(value: float | Decimal | None, *, places: int = 12) -> str | None:
    """Return a figure as a plain decimal text without exponent and trailing zeros.

    Rounded half to even to `places`; the float's own shortest decimal is what is
    rounded. None stays None. Raises LogFormatError for infinities and NaN.
    """
    if value is None:
        return None
    if not math.isfinite(value):
        raise LogFormatError("a figure is a finite number")
    exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
    step = Decimal(1).scaleb(-places)
    if exact.adjusted() < 40:  # beyond, nothing is left to round
        exact = exact.quantize(step, rounding=ROUND_HALF_EVEN, context=_WIDE)
    text = f"{exact:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _check(value: Any, depth: int) -> None:
    match value:
        case None | bool() | str():
            return
        case int():
            if abs(value) > LARGEST_INT:
                raise LogFormatError(f"an integer is at most {LARGEST_INT}")
        case Mapping() | list() | tuple():
            if depth == 0:
                raise LogFormatError(f"JSON is at most {DEEPEST} deep")
            if isinstance(value, Mapping):
                if not all(isinstance(key, str) for key in value):
                    raise LogFormatError("a key is a text")
                value = value.values()
            for item in value:
                _check(item, depth - 1)
        case float():
            raise LogFormatError("a figure goes in as a decimal text, not as a float")
        case _:
            raise LogFormatError(f"{type(value).__name__} is not JSON")
