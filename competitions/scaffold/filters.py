"""Template filters for files that programs read."""

import json
from collections.abc import Iterable
from typing import Any

from django import template

register = template.Library()


@register.filter
def as_json(value: Any, indent: int = 2) -> str:
    """Write a value as JSON, indented."""
    return json.dumps(value, indent=indent, ensure_ascii=False)


@register.filter
def as_tuple(values: Iterable[Any]) -> str:
    """Write values as a Python tuple."""
    return f"({', '.join(as_literal(value) for value in values)},)" if values else "()"


@register.filter
def as_literal(value: Any) -> str:
    """Write a value as a Python literal, a text with double quotes."""
    return (
        json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    )
