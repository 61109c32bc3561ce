"""Find the contract: at an explicit path, in the operator's module, or built in.

A missing operator module falls through; one that is there but broken is an error.
"""

import importlib.util
from functools import cache
from types import ModuleType
from typing import Any

from django.conf import settings
from pydantic import ValidationError

from competitions.contract import CrunchConfig
from competitions.errors import ContractError
from core.imports import NotImportable, import_module, import_target
from core.misfits import first_misfit
from core.texts import describe

OPERATOR_PACKAGE = "runtime_definitions"
OPERATOR_MODULES = ("contracts", "crunch_config")
# What a module may call its contract; the first that is its own is used.
NAMES = ("CrunchConfig", "CrunchContract", "CONTRACT")


def load_config(path: str = "") -> CrunchConfig:
    """Load the contract at `path`, else CRUNCH_CONFIG_MODULE, else the operator's.

    A path is `module:attribute`; `module` alone means the first of NAMES that is not
    merely the engine's class, imported to be subclassed. The target is a CrunchConfig
    class or instance. Each is loaded once (see `reset_cache`). Raises ContractError
    naming path and cause.
    """
    return _load(path or settings.ENV.crunch_config_module)


def contract_path(path: str = "") -> str:
    """Return `module:attribute` of what `load_config` loads; empty for the built-in.

    Raises ContractError, and NotImportable for a module without a contract.
    """
    place = path or settings.ENV.crunch_config_module or _operators_place()
    if not place or ":" in place:
        return place
    target, module = _only_contract(place), import_module(place)
    name = next(name for name in NAMES if getattr(module, name, None) is target)
    return f"{place}:{name}"


load_contract = load_config  # operators' code may call it by this name


@cache
def _load(path: str) -> CrunchConfig:
    path = path or _operators_place()
    return _contract(path) if path else CrunchConfig()


def reset_cache() -> None:
    """Forget loaded contracts; each is loaded anew when it is next needed."""
    _load.cache_clear()


def has_operators_package() -> bool:
    """Return whether the operator has a package for a contract; imports nothing."""
    return (
        OPERATOR_PACKAGE in settings.CALLABLE_PACKAGES
        and importlib.util.find_spec(OPERATOR_PACKAGE) is not None
    )


def _operators_place() -> str:
    """Return the path of the operator's module with a contract, or empty."""
    if not has_operators_package():
        return ""
    try:
        import_module(OPERATOR_PACKAGE)  # the package may be broken itself
    except NotImportable as error:
        raise ContractError(
            f"contract {OPERATOR_PACKAGE} could not be loaded: {error}."
        ) from error
    for module in OPERATOR_MODULES:
        place = f"{OPERATOR_PACKAGE}.{module}"
        if importlib.util.find_spec(place) is not None:
            return place
    return ""


def _contract(path: str) -> CrunchConfig:
    try:
        target = import_target(path) if ":" in path else _only_contract(path)
    except NotImportable as error:
        raise ContractError(f"contract {path} could not be loaded: {error}.") from error
    try:
        config = target() if isinstance(target, type) else target
    except ValidationError as error:
        raise ContractError(f"contract {path}: {first_misfit(error)}.") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # its own __init__ may raise anything
        raise ContractError(
            f"contract {path} could not be loaded: {describe(error)}."
        ) from error
    if not isinstance(config, CrunchConfig):
        raise ContractError(
            f"contract {path} was a {type(config).__name__}; it must be a CrunchConfig."
        )
    return config


def _only_contract(module_name: str) -> Any:
    """Return the contract of a module that is named without an attribute."""
    module = import_module(module_name)
    found = [getattr(module, name) for name in NAMES if hasattr(module, name)]
    if not found:
        raise NotImportable(f"it has none of {', '.join(NAMES)}")
    own = [target for target in found if target is not CrunchConfig]
    if not own and (others := _contracts_in(module)):
        raise NotImportable(
            f"it merely imports CrunchConfig; write {module_name}:{others[0]}"
        )
    return (own or found)[0]


def _contracts_in(module: ModuleType) -> list[str]:
    """Return the names of a module's contracts, without the engine's class."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, CrunchConfig)
        or (
            isinstance(value, type)
            and issubclass(value, CrunchConfig)
            and value is not CrunchConfig
        )
    ]
