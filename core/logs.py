"""Log lines of a bounded length, whatever strangers' texts stand in them."""

import io
from collections.abc import MutableMapping
from typing import Any

import structlog

from core.texts import brief, describe, readable

LONGEST_TRACEBACK = 20_000


def bound_event(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Cut and clean each value of an event; a processor for structlog."""
    for name, value in event.items():
        if name == "exc_info":
            continue
        match value:
            case str():
                event[name] = readable(value)
            case BaseException():
                event[name] = describe(value)
            case list() | tuple() | set() | dict():
                event[name] = brief(value, limit=2_000)
    return event


def bounded_traceback(output: Any, exc_info: Any) -> None:
    """Write a traceback without local variables, and without most of a huge one."""
    whole = io.StringIO()
    structlog.dev.plain_traceback(whole, exc_info)
    text = whole.getvalue()
    if len(text) > LONGEST_TRACEBACK:
        half = LONGEST_TRACEBACK // 2
        text = f"{text[:half]}\n…\n{text[-half:]}"
    output.write(readable(text, limit=2 * LONGEST_TRACEBACK))
