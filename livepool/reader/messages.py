"""Describe values and errors in messages that are always short and never fail."""

from typing import Any


def explain(error: BaseException) -> str:
    """Describe an error in at most one line."""
    try:
        text = " ".join(str(error)[:200].split())
    except Exception:  # noqa: BLE001  a foreign error may be unable to say what it is
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def render(value: Any) -> str:
    """Describe a value; name only the type of one that may be large or deep."""
    if isinstance(value, str):
        return repr(value[:60])
    if value is None or isinstance(value, (bool, float)):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if abs(value) < 10**18 else "a huge integer"
    return f"a {type(value).__name__}"
