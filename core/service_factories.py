"""Make an operator's service from the factory that a variable names.

A service replaces a loop of the site as a whole: see docs/developer/services.md.
"""

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from core.deadline import Late, in_time
from core.errors import OperatorError
from core.imports import NotImportable, import_target
from core.texts import describe

# How long, in real time, a factory may take.
PATIENCE_S = 10.0


class FactoryRefusedError(OperatorError):
    """A factory does not import, cannot be called, or makes no such service."""

    code = "factory_refused"


def find_factory(variable: str, path: str, *takes: str) -> Callable[..., Any]:
    """Return the factory at `module:callable`, uncalled; `takes` names its arguments.

    Raises FactoryRefusedError naming variable, path and cause.
    """
    try:
        factory = import_target(path)
    except NotImportable as error:
        raise FactoryRefusedError(f"{variable} was {path!r}: {error}.") from error
    _check_arguments(variable, path, factory, takes)
    found: Callable[..., Any] = factory
    return found


@lru_cache(maxsize=8)
def make_service(
    variable: str, path: str, *, method: str, takes: tuple[str, ...]
) -> Any:
    """Return what the factory makes: an object whose `method` takes these arguments.

    It is made once in a process. Raises FactoryRefusedError naming variable, path and
    cause.
    """
    made = call_factory(variable, path, find_factory(variable, path))
    _check_arguments(variable, path, getattr(made, method, None), takes, name=method)
    return made


def call_factory(
    variable: str, path: str, factory: Callable[..., Any], *arguments: Any
) -> Any:
    """Call a factory with a time limit; raises FactoryRefusedError if it fails."""
    try:
        return in_time(lambda: factory(*arguments), PATIENCE_S)
    except Late as error:
        raise FactoryRefusedError(f"{variable} was {path!r}: {error}.") from None
    except Exception as error:
        raise FactoryRefusedError(
            f"{variable} was {path!r}, which raised: {describe(error)}."
        ) from error


def _check_arguments(
    variable: str, path: str, target: Any, takes: tuple[str, ...], *, name: str = ""
) -> None:
    what = f"what it makes has no {name}" if name else "it is no callable"
    called = f"{name or 'it'}({', '.join(takes)})"
    if not callable(target):
        raise FactoryRefusedError(f"{variable} was {path!r}: {what}; give {called}.")
    try:
        inspect.signature(target).bind(*takes)
    except TypeError as error:
        raise FactoryRefusedError(
            f"{variable} was {path!r}: it cannot be called as {called}: {error}."
        ) from None
    except ValueError:
        return  # a builtin tells nobody its signature
