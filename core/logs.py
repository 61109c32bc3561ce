"""Keep log lines short and free of secrets, whatever texts they contain."""

import io
import re
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

from core.texts import brief, describe, readable

LONGEST_TRACEBACK = 20_000
IDLE_S = 60.0
# API keys and webhooks' secrets; the beginning of a key names it and may be shown.
_SECRETS = re.compile(r"(csk_[a-z0-9]{8}_|whsec_)[A-Za-z0-9+/]{20,}=*")


def bound_event(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Cut and clean each value of an event; a structlog processor."""
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


def hide_secrets(_logger: Any, _method: str, line: str) -> str:
    """Hide secrets in a whole line with its traceback; the last structlog processor.

    A client may put a key anywhere: into a path, a name, a value that is refused.
    """
    return _SECRETS.sub(r"\1…", line)


def bounded_traceback(output: Any, exc_info: Any) -> None:
    """Format a traceback without local variables; cut it if it is very long."""
    whole = io.StringIO()
    structlog.dev.plain_traceback(whole, exc_info)
    text = whole.getvalue()
    if len(text) > LONGEST_TRACEBACK:
        half = LONGEST_TRACEBACK // 2
        text = f"{text[:half]}\n…\n{text[-half:]}"
    output.write(readable(text, limit=2 * LONGEST_TRACEBACK))


class IdleLine:
    """Log `event` at INFO if there was nothing to do, at most once a minute."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._said_at = float("-inf")

    def say(self) -> None:
        if time.monotonic() - self._said_at >= IDLE_S:
            self._said_at = time.monotonic()
            structlog.get_logger(__name__).info(self._event)


def append_bounded(path: Path, data: bytes, *, largest_bytes: int) -> None:
    """Append to a log of two files: `NAME.log`, and its older half `NAME.log.1`.

    Each is at most about `largest_bytes` long, and the last words stand in the first.
    Raises OSError, as on a full disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > largest_bytes:
        path.replace(path.with_name(f"{path.name}.1"))
    with path.open("ab") as file:
        file.write(data)
