"""Which answers of the models are refused."""

from typing import Any


def validate_output(inference_output: dict[str, Any]) -> dict[str, Any]:
    """Return the answer as it is scored; raise ValueError for one that is refused.

    The error's text becomes the reason that the participant reads.
    """
    # TODO: check what your competition asks for. The engine checks that `value` is a
    # finite number.
    return inference_output
