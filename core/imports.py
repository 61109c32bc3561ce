"""Modules of an operator's, which may do anything when they are imported."""

import importlib
from types import ModuleType
from typing import Any

from core.texts import describe


class NotImportable(Exception):  # noqa: N818  it says what happened
    """A module or a name in it could not be had; the text says why, in words."""


def import_module(name: str) -> ModuleType:
    """Import a module; raises NotImportable for whatever it raises, even SystemExit."""
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise NotImportable(describe(error)) from error


def import_target(path: str) -> Any:
    """Return what `module:name` leads to; raises NotImportable."""
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
