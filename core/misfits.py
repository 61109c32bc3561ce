"""Describe the first problem that a pydantic model reports."""

from typing import Any, NamedTuple

from pydantic import ValidationError

from core.texts import brief


class Misfit(NamedTuple):
    """One problem: its place, what is wrong there, and the value."""

    place: str
    message: str
    found: Any

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


def told_to_author(error: ValidationError) -> str:
    """Return the first problem for whoever wrote the document: place, value, reason.

    Places in lists count from 1.
    """
    first = error.errors(include_url=False, include_context=False)[0]
    place = ""
    for step in first["loc"]:
        if isinstance(step, int):
            place += f" (number {step + 1})"
        else:
            place += f".{step}" if place else str(step)
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"{place} is missing"
    if not place:
        return reason
    return f"{place} was {brief(first['input'])}: {reason[0].lower()}{reason[1:]}"


def first_misfit(error: ValidationError, *, below: int = 0) -> Misfit:
    """Return the first problem; its place leaves out the first `below` steps."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"][below:]))
    return Misfit(place, first["msg"], first["input"])
