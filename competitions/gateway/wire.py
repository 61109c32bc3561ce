"""Encode calls as protobuf messages, and decode models' answers.

Answers come from strangers: they are checked here, once, so that one that cannot be
stored fails alone.
"""

import json
from collections.abc import Callable
from typing import Any

from model_runner_client.grpc.generated.commons_pb2 import (
    Argument as WireArgument,
)
from model_runner_client.grpc.generated.commons_pb2 import (
    KwArgument,
    Variant,
    VariantType,
)
from model_runner_client.grpc.generated.dynamic_subclass_pb2 import CallRequest
from model_runner_client.utils.datatype_transformer import decode_data, encode_data

from competitions.gateway.errors import ArgumentError
from competitions.gateway.types import Argument, Call
from core.parsing import JsonError, parse_json
from core.texts import brief, has_nul

# Type of an argument -> its type on the wire, and the conversion of the value.
_TYPES: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "STRING": (VariantType.STRING, str),
    "INT": (VariantType.INT, int),
    "FLOAT": (VariantType.DOUBLE, float),
    "DOUBLE": (VariantType.DOUBLE, float),
    "JSON": (VariantType.JSON, lambda value: value),
}
_RESULTS = {
    VariantType.NONE,
    VariantType.DOUBLE,
    VariantType.INT,
    VariantType.STRING,
    VariantType.JSON,
}


class AnswerError(ValueError):
    """A model's answer cannot be stored; the text is for its owner."""


def request_of(call: Call) -> CallRequest:
    """Encode a call, once for all models; raises ArgumentError naming the argument."""
    return CallRequest(
        methodName=call.method,
        methodArguments=[
            WireArgument(position=position, data=_variant(call, position, argument))
            for position, argument in enumerate(call.args, start=1)
        ],
        methodKwArguments=[
            KwArgument(keyword=name, data=_variant(call, name, argument))
            for name, argument in call.kwargs.items()
        ],
    )


def _variant(call: Call, place: int | str, argument: Argument) -> Variant:
    try:
        wire_type, convert = _TYPES[argument.type]
        value = convert(argument.value)
        if argument.type == "JSON":
            # The client's own encoder lets NaN through, which is not JSON.
            data = json.dumps(value, allow_nan=False).encode()
        else:
            data = encode_data(wire_type, value)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        shown = brief(argument.value, limit=80)
        raise ArgumentError(
            f"argument {place} of {call.method} was {shown} ({argument.type}): {error}."
        ) from error
    return Variant(type=wire_type, value=data)


def result_of(variant: Variant, *, largest_bytes: int) -> Any:
    """Decode a model's answer; raises AnswerError naming the problem.

    Finite numbers, text without NUL and valid Unicode only: PostgreSQL's JSON takes no
    other, and one row that it refuses would fail everybody's round.
    """
    if variant.type not in _RESULTS:
        name = VariantType.Name(variant.type) if variant.type in range(7) else "unknown"
        raise AnswerError(
            f"the answer was of type {name}; answer a number, text, dict or list"
        )
    size = len(variant.value)
    if size > largest_bytes:
        raise AnswerError(
            f"the answer had {size} bytes; at most {largest_bytes} are taken"
        )
    try:
        if variant.type == VariantType.JSON:
            value = parse_json(variant.value, largest_bytes=largest_bytes)
        else:
            value = decode_data(variant.value, variant.type)
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except JsonError as error:
        raise AnswerError(f"the answer {error}") from None
    # Untrusted bytes may raise struct.error and anything else.
    except Exception as error:
        raise AnswerError(f"the answer cannot be stored as JSON: {error}") from error
    if has_nul(text):
        raise AnswerError("the answer contains a NUL character, which cannot be stored")
    return value
