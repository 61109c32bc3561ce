"""The one envelope of an API's refusals: what was found, and a stable code."""

from typing import Any

from rest_framework.exceptions import APIException

from core.texts import readable


class Conflict(APIException):
    """The request does not fit the present state."""

    status_code = 409
    default_code = "conflict"


def envelope(detail: str, code: str) -> dict[str, Any]:
    """Return the body of a refusal; `detail` is readable, whatever it quotes."""
    return {"detail": readable(detail), "code": code}
