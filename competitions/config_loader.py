"""Finds the contract: an explicit path, the operator's module, or the engine's own.

A missing operator module falls through; one that is there but broken is an error.
"""

import importlib
import importlib.util
from typing import Any

from django.conf import settings
from pydantic import ValidationError

from competitions.contract import CrunchConfig
from competitions.errors import ContractError
from core.texts import describe

OPERATOR_PLACES = (
    "runtime_definitions.contracts:CrunchConfig",
    "runtime_definitions.crunch_config:CrunchConfig",
)


def load_config(path: str = "") -> CrunchConfig:
    """Load the contract at `path`, else CRUNCH_CONFIG_MODULE, else the operator's.

    A path is `module:attribute`; `module` alone means its `CrunchConfig`. The target
    is a CrunchConfig class or instance. Raises ContractError naming path and cause.
    """
    explicit = path or settings.ENV.crunch_config_module
    if explicit:
        return _load(explicit)
    for place in OPERATOR_PLACES:
        if _module_exists(place.partition(":")[0]):
            return _load(place)
    return CrunchConfig()


load_contract = load_config


def _module_exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _load(path: str) -> CrunchConfig:
    module_name, _, attribute = path.partition(":")
    try:
        target: Any = getattr(
            importlib.import_module(module_name), attribute or "CrunchConfig"
        )
        config = target() if isinstance(target, type) else target
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "contract"
        raise ContractError(f"contract {path}: {place}: {first['msg']}.") from None
    except (Exception, SystemExit) as error:
        raise ContractError(
            f"contract {path} could not be loaded: {describe(error)}."
        ) from error
    if not isinstance(config, CrunchConfig):
        raise ContractError(
            f"contract {path} was a {type(config).__name__}; it must be a CrunchConfig."
        )
    return config
