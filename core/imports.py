"""Import an operator's modules, only from the allowed packages.

An import runs the module with all the site's rights, so its name and its files are
checked before.
"""

import importlib
import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from core.texts import brief, describe
from core.workspaces import find_module


class NotImportable(Exception):  # noqa: N818  it says what happened
    """A module or a name in it cannot be imported; the text gives the reason."""


@dataclass(frozen=True)
class Sources:
    """Where callables may come from: below `packages`, with no file below `closed`."""

    packages: tuple[str, ...] = ()
    closed: tuple[Path, ...] = ()


# Nothing may be imported until the site calls `admit`.
_sources: Callable[[], Sources] = Sources


def admit(sources: Callable[[], Sources]) -> None:
    """Set the function that returns the allowed places; called for each module."""
    global _sources  # noqa: PLW0603  the site sets it once, when it starts
    _sources = sources


def import_module(name: str) -> ModuleType:
    """Import a module; raise NotImportable for whatever it raises, even SystemExit."""
    check_module(name)
    with _in_words():
        return importlib.import_module(name)


def import_file(path: Path, *, closed: Iterable[Path]) -> ModuleType:
    """Run a file as the module `<folder>.<name>`, unless it lies in a closed folder.

    Raises NotImportable for whatever the file raises, even SystemExit.
    """
    spec = importlib.util.spec_from_file_location(
        f"{path.parent.name}.{path.stem}", path
    )
    if spec is None or spec.loader is None:
        raise NotImportable("it is not a module")
    _check_places(spec, _real(closed))
    module = importlib.util.module_from_spec(spec)
    with _in_words():
        spec.loader.exec_module(module)
    return module


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise NotImportable(describe(error)) from error


def import_target(path: str) -> Any:
    """Return the object at `module:name`; raises NotImportable."""
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise NotImportable("give module.path:callable")
    module = import_module(module_name)
    try:
        return getattr(module, name)
    except AttributeError:
        raise NotImportable(f"{module_name} has no {name}") from None
    except Exception as error:
        raise NotImportable(describe(error)) from error


def is_within(name: str, packages: Iterable[str]) -> bool:
    """Return whether a dotted name is one of `packages`, or below one."""
    return any(name == each or name.startswith(f"{each}.") for each in packages)


def check_module(name: str) -> None:
    """Raise NotImportable for a module outside of the allowed places; imports nothing.

    It lies in one of the admitted packages, and none of its files, nor those of the
    packages above it, in a closed folder.
    """
    sources = _sources()
    if not is_within(name, sources.packages):
        raise NotImportable(
            f"{brief(name)} is in none of the packages that callables may come from "
            f"({', '.join(sources.packages) or 'none'}); CALLABLE_PACKAGES adds to them"
        )
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise NotImportable(f"{brief(name)} is no name of a module")
    found, closed = _found(parts[0]), _real(sources.closed)
    _check_places(found, closed)
    for count in range(2, len(parts) + 1):
        # Not importlib.util.find_spec, which imports the packages above.
        inner = ".".join(parts[:count])
        where = found.submodule_search_locations
        below = find_module(inner, where) if where is not None else None
        if below is None:
            raise NotImportable(f"there is no module {inner}")
        found = below
        _check_places(found, closed)


def _found(top: str) -> ModuleSpec:
    try:
        found = importlib.util.find_spec(
            top
        )  # safe for a name without a dot: it imports nothing
    except (ImportError, ValueError) as error:
        raise NotImportable(describe(error)) from error
    if found is None:
        raise NotImportable(f"there is no module {top}")
    return found


def _real(folders: Iterable[Path]) -> tuple[str, ...]:
    """Return the real paths of folders, each with a slash at its end."""
    return tuple(f"{os.path.realpath(folder).rstrip('/')}/" for folder in folders)


def _check_places(found: ModuleSpec, closed: tuple[str, ...]) -> None:
    places = [found.origin] if found.has_location and found.origin else []
    for place in (*places, *(found.submodule_search_locations or ())):
        real = os.path.realpath(place)
        if f"{real}/".startswith(closed):
            raise NotImportable(
                f"{found.name} lies in {real}, where participants' files and the "
                "site's data are; callables never come from there"
            )
