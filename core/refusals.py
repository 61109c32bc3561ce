"""Build the one form of the API's errors: what was found, and a stable code."""

from typing import Any

from core.texts import readable


def envelope(detail: str, code: str) -> dict[str, Any]:
    """Return the body of a refusal; `detail` is readable, whatever it quotes."""
    return {"detail": readable(detail), "code": code}
