"""Describe the first problem that a pydantic model reports."""

from typing import Any, NamedTuple

from pydantic import ValidationError


class Misfit(NamedTuple):
    """One problem: its place, what is wrong there, and the value."""

    place: str
    message: str
    found: Any

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


def first_misfit(error: ValidationError, *, below: int = 0) -> Misfit:
    """Return the first problem; its place leaves out the first `below` steps."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"][below:]))
    return Misfit(place, first["msg"], first["input"])
