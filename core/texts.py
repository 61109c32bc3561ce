"""Make texts fit for a column, a COPY, a log line, a page or a JSON document."""

import re
import reprlib
from typing import Any

LONGEST_TEXT = 2_000
_CUT = "…"
_BREAKS = str.maketrans("\t\n", "  ")
_FORMULA_STARTS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# PostgreSQL refuses NUL and lone surrogates; the other controls move a terminal's
# cursor or split a log line; the directional marks reorder the visible text.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
# PostgreSQL holds every other character, inside JSON too.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def readable(text: str, *, limit: int = LONGEST_TEXT) -> str:
    """Return a text from outside as it may be stored, logged and shown.

    Line ends become LF, other controls become the replacement character, and a text
    longer than `limit` characters is cut and ends in an ellipsis. Idempotent.
    """
    head = text[: 2 * limit + 2]  # a CR LF pair becomes one character
    clean = _UNSAFE.sub(_REPLACEMENT, head.replace("\r\n", "\n").replace("\r", "\n"))
    if len(clean) <= limit and len(head) == len(text):
        return clean
    return clean[: limit - len(_CUT)] + _CUT


def for_terminal(text: str) -> str:
    """Return a text of any length that a terminal shows and does not obey."""
    return readable(text, limit=len(text))


def one_line(text: str, *, limit: int) -> str:
    """Return a name or an address that a stranger chose, readable and on one line."""
    return readable(text, limit=limit).translate(_BREAKS)


def listed(text: str) -> tuple[str, ...]:
    """Split a comma separated list; blanks and empty parts are dropped."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def counted(count: int, noun: str) -> str:
    """Return `1 round`, `2 rounds`; only for nouns whose plural ends in -s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def describe(error: BaseException, *, limit: int = LONGEST_TEXT) -> str:
    """Return `Type: message` of an exception, readable; never raises.

    Strangers' exceptions may raise in their own `__str__`.
    """
    message, name = _text_of(error), type(error).__name__
    return readable(f"{name}: {message}" if message else name, limit=limit)


def message_of(error: BaseException, *, limit: int = LONGEST_TEXT) -> str:
    """Return an exception's message, or its type's name; readable, never raises."""
    return readable(_text_of(error) or type(error).__name__, limit=limit)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  a stranger's `__str__` may raise anything
        return "(its text cannot be read)"


_BRIEF = reprlib.Repr()
_BRIEF.maxdict = _BRIEF.maxlist = _BRIEF.maxtuple = _BRIEF.maxset = 12
_BRIEF.maxlevel = 4
_BRIEF.maxstring = _BRIEF.maxlong = _BRIEF.maxother = 120


def brief(value: Any, *, limit: int = 200) -> str:
    """Return a short `repr` for a sentence; cheap however deep and large a value is."""
    try:
        shown = _BRIEF.repr(value)
    except Exception:  # noqa: BLE001  a stranger's `__repr__` may raise anything
        shown = f"a {type(value).__name__}"
    return readable(shown, limit=limit)


def csv_cell(value: Any) -> Any:
    """Return a value for a CSV cell, so that no spreadsheet runs it as a formula."""
    starts_formula = isinstance(value, str) and value.startswith(_FORMULA_STARTS)
    return f"'{value}" if starts_formula else value


def has_nul(json_text: str) -> bool:
    """Return whether a JSON document holds a NUL, which PostgreSQL's JSON does not."""
    # An escaped backslash before `u0000` is harmless.
    return r"\u0000" in json_text and r"\u0000" in json_text.replace(r"\\", "")


def storable(text: str) -> str:
    """Return `text` with what PostgreSQL refuses replaced: NUL and lone surrogates."""
    return _UNSTORABLE.sub(_REPLACEMENT, text)


def storable_json(value: Any) -> Any:
    """Return JSON data with every text and key in it storable, at any depth."""
    match value:
        case str():
            return storable(value)
        case dict():
            return {storable(str(k)): storable_json(v) for k, v in value.items()}
        case list() | tuple():
            return [storable_json(item) for item in value]
    return value
