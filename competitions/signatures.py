"""Check by their parameters whether the site can call an operator's callables."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from competitions.errors import SlotError

_BY_POSITION = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def check_names(
    target: Callable[..., Any], slot: str, path: str, names: tuple[str, ...]
) -> None:
    """Refuse a slot's callable that cannot be called with its arguments by position.

    The leading parameters have the slot's names; any further one has a default. Raises
    SlotError.
    """
    signature = _signature(target, slot, path)
    found = list(signature.parameters.values())
    leading = found[: len(names)]
    if tuple(parameter.name for parameter in leading) != names:
        raise SlotError(
            f"{slot} was {path!r}({', '.join(p.name for p in found)}); "
            f"its parameters must begin with ({', '.join(names)})."
        )
    for parameter in leading:
        if parameter.kind not in _BY_POSITION:
            raise SlotError(
                f"{slot} was {path!r}{signature}: its parameter {parameter.name!r} "
                "must be taken by position."
            )
    for extra in found[len(names) :]:
        variadic = extra.kind in (extra.VAR_POSITIONAL, extra.VAR_KEYWORD)
        if extra.default is extra.empty and not variadic:
            raise SlotError(
                f"{slot} was {path!r}: its extra parameter {extra.name!r} "
                "needs a default."
            )
        if extra.name == "context" and extra.kind not in _BY_NAME:
            raise SlotError(
                f"{slot} was {path!r}{signature}: its parameter 'context' must be "
                "taken by name."
            )


def check_counts(
    target: Callable[..., Any],
    name: str,
    path: str,
    counts: Sequence[int],
    keywords: Sequence[str] = (),
) -> None:
    """Refuse a callable that takes none of these numbers of arguments, with keywords.

    Raises SlotError.
    """
    signature = _signature(target, name, path)
    if not any(takes(target, count, keywords) for count in counts):
        wanted = " or ".join(map(str, counts))
        by_name = f", and {', '.join(keywords)} by name" if keywords else ""
        raise SlotError(
            f"{name} was {path!r}{signature}; it must take {wanted} "
            f"argument{'s' if counts[-1] != 1 else ''} by position{by_name}."
        )


def takes(target: Callable[..., Any], count: int, keywords: Sequence[str] = ()) -> bool:
    """Return whether a callable takes this many arguments, and these by name."""
    try:
        inspect.signature(target).bind(*[None] * count, **dict.fromkeys(keywords))
    except TypeError:
        return False
    return True


def wants_context(target: Callable[..., Any]) -> bool:
    """Return whether a slot's callable, checked before, takes a `context`."""
    return "context" in inspect.signature(target).parameters


def _signature(target: Callable[..., Any], name: str, path: str) -> inspect.Signature:
    if not callable(target):
        raise SlotError(f"{name} was {path!r}, which is not callable.")
    if inspect.iscoroutinefunction(target) or inspect.isasyncgenfunction(target):
        raise SlotError(f"{name} was {path!r}, which is async; give a plain function.")
    try:
        return inspect.signature(target)
    except (TypeError, ValueError) as error:
        raise SlotError(
            f"{name} was {path!r}, whose parameters cannot be read: {error}."
        ) from None
