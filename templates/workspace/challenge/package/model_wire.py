"""The wire between a check and the model's process: JSON texts with their length.

What a model may answer, and what it is told otherwise, is as on the site.
"""

import json
import math
import struct

# The most that an answer may have on the wire.
LARGEST_MESSAGE = 64 * 2**20
ADVICE = "answer float, int, str, dict or list; float(x) converts numpy's numbers"
_LENGTH = struct.Struct("<I")


class UnsendableError(TypeError):
    """The model's answer cannot be sent over the wire."""


def sendable(value):
    """Return an answer as JSON; raises UnsendableError saying what was found."""
    if value is None or isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, float):  # numpy.float64 is a float too
        if not math.isfinite(value):
            raise UnsendableError(f"the answer was {value}; it must be finite")
        return json.dumps(value)
    if isinstance(value, (bool, dict, list)):
        return _json(value)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise UnsendableError(f"the answer was {value}, beyond 64 bits")
        return json.dumps(value)
    kind = type(value)
    raise UnsendableError(
        f"the answer was of type {kind.__module__}.{kind.__qualname__}; {ADVICE}"
    )


def _json(value):
    try:
        return json.dumps(value, allow_nan=False)
    except TypeError as error:
        raise UnsendableError(
            f"the answer contains a bad value: {error}; {ADVICE}"
        ) from None
    except RecursionError:
        raise UnsendableError("the answer is nested too deeply") from None
    except ValueError as error:
        raise UnsendableError(f"the answer is not JSON: {error}") from None


def send(file, text):
    """Write a message; raises OSError when nobody reads any more."""
    data = text.encode("utf-8", "replace")
    file.write(_LENGTH.pack(len(data)) + data)
    file.flush()


def receive(file):
    """Return the next message, decoded; None at the end, and for a broken one."""
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = file.read(length) if length <= LARGEST_MESSAGE else b""
    try:
        return json.loads(data)
    except ValueError:
        return None
