"""Encode and decode Python values for the wire, on the model's side.

As strict about types as the official runner, but errors say what is wrong.
"""

import json
import math
import struct
from typing import Any

from model_runner_client.grpc.generated.commons_pb2 import Variant, VariantType

_ADVICE = "answer float, int, str, dict or list; float(x) converts numpy's numbers"


class UnsendableError(TypeError):
    """The model's answer cannot be sent over the wire."""


def encode(value: Any) -> Variant:
    """Encode an answer; raises UnsendableError saying what was found."""
    match value:
        case None:
            return Variant(type=VariantType.NONE, value=b"")
        case float():  # numpy.float64 is a float too
            if not math.isfinite(value):
                raise UnsendableError(f"the answer was {value}; it must be finite")
            return Variant(type=VariantType.DOUBLE, value=struct.pack("<d", value))
        case bool() | dict() | list():
            return Variant(type=VariantType.JSON, value=_json(value))
        case int():
            return Variant(type=VariantType.INT, value=_int64(value))
        case str():
            return Variant(type=VariantType.STRING, value=value.encode())
    kind = type(value)
    raise UnsendableError(
        f"the answer was of type {kind.__module__}.{kind.__qualname__}; {_ADVICE}"
    )


def _json(value: Any) -> bytes:
    try:
        return json.dumps(value, allow_nan=False).encode()
    except TypeError as error:
        raise UnsendableError(
            f"the answer contains a bad value: {error}; {_ADVICE}"
        ) from None
    except RecursionError:
        raise UnsendableError("the answer is nested too deeply") from None
    except ValueError as error:
        raise UnsendableError(f"the answer is not JSON: {error}") from None


def _int64(value: int) -> bytes:
    try:
        return value.to_bytes(8, "little", signed=True)
    except OverflowError:
        raise UnsendableError(f"the answer was {value}, beyond 64 bits") from None


def decode_variant(variant: Variant) -> Any:
    """Decode an argument; raises ValueError for a type that models never receive."""
    match variant.type:
        case VariantType.NONE:
            return None
        case VariantType.DOUBLE:
            return struct.unpack("<d", variant.value)[0]
        case VariantType.INT:
            return int.from_bytes(variant.value, "little", signed=True)
        case VariantType.STRING:
            return variant.value.decode()
        case VariantType.JSON:
            return json.loads(variant.value)
    raise ValueError(f"argument type {VariantType.Name(variant.type)} is not supported")
