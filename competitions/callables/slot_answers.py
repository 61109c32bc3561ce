"""Checks the answers of the slots that build a round, before they are used."""

import json
import math
from typing import Annotated, Any, NamedTuple, cast

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from competitions.gateway.types import Argument
from core.misfits import first_misfit
from core.texts import brief, has_nul, storable


def fitting(data: Any, kind: type[BaseModel]) -> dict[str, Any]:
    """Return a slot's data unchanged if it is a JSON object of the contract's type."""
    if isinstance(data, BaseModel):
        data = data.model_dump(mode="json")
    if not isinstance(data, dict):
        raise TypeError(f"it gave {brief(data)}; a JSON object is needed")
    try:
        kind.model_validate(data)
    except ValidationError as error:
        raise ValueError(
            f"it does not fit {kind.__name__}: {first_problem(error)}"
        ) from None
    _require_storable(data)
    return data


def _require_storable(data: dict[str, Any]) -> None:
    """Raise ValueError or TypeError for data that a JSON column cannot hold."""
    try:
        text = json.dumps(data, allow_nan=False, ensure_ascii=False)
    except ValueError:
        require_finite(data)  # says which number it was
        raise
    if has_nul(text) or storable(text) != text:
        raise ValueError(
            "it contains NUL or half a surrogate pair, which cannot be stored"
        )


class Scoped(TypedDict):
    """The answer of PREDICTION_SCOPE_BUILDER."""

    scope_key: Annotated[str, Field(min_length=1, max_length=120)]
    scope: dict[str, Any]


_as_scoped = TypeAdapter(Scoped).validate_python


def checked_scope(scoped: Any) -> dict[str, Any]:
    """Check the scope slot's answer; returns it as a JSON column stores it."""
    return json_object(dict(_as_scoped(scoped)), "the scope")


class Arguments(NamedTuple):
    """The answer of PREDICT_CALL_BUILDER, as it is sent to the models."""

    args: tuple[Argument, ...]
    kwargs: dict[str, Argument]


def checked_call(call: Any) -> Arguments:
    match call:
        case {"args": list() | tuple() as args, "kwargs": dict() as kwargs}:
            return Arguments(
                args=tuple(_argument(value) for value in args),
                kwargs={_name(key): _argument(value) for key, value in kwargs.items()},
            )
    raise TypeError(f"it gave {brief(call)}; give a list `args` and an object `kwargs`")


def _name(key: Any) -> str:
    if not isinstance(key, str) or not key.isidentifier():
        raise TypeError(f"a keyword was {brief(key)}; give the name of a parameter")
    return key


# The range of the wire's INT.
_INTS = range(-(2**63), 2**63)


def _argument(value: Any) -> Argument:
    """Convert a Python value to its wire type; raises TypeError or ValueError."""
    match value:
        case bool() | dict() | list() | None:
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
            return Argument("JSON", value)
        case int() if value in _INTS:
            return Argument("INT", value)
        case float():
            require_finite(value)
            return Argument("DOUBLE", value)
        case str():
            value.encode()
            return Argument("STRING", value)
    raise TypeError(
        f"a call argument was {brief(value)}; give str, int of 64 bits, float or JSON"
    )


def require_finite(value: Any) -> None:
    """Raise ValueError for NaN or infinity, at any depth: JSON has neither."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"a number was {value}; outputs must be finite")
    if isinstance(value, dict):
        for item in value.values():
            require_finite(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            require_finite(item)


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a pydantic error, with its place, in one line."""
    place, message, found = first_misfit(error)
    return f"{place} was {brief(found)}: {message}"


def json_object(value: Any, what: str) -> dict[str, Any]:
    """Return a callable's object as a JSON column stores it.

    Raises TypeError or ValueError for anything that it cannot hold.
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode()  # half a surrogate pair cannot be encoded
    if not isinstance(value, dict) or has_nul(text):
        raise TypeError(f"{what} was {brief(value)}; give a JSON object without NUL")
    return cast("dict[str, Any]", json.loads(text))
