"""Resolve a competition's contract and callables, once per content of its row."""

import json
from functools import lru_cache

from competitions import config_loader
from competitions.config_loader import load_config
from competitions.contract import CrunchConfig
from competitions.errors import CompetitionError
from competitions.models import Competition
from competitions.slots import Wiring, wire


def wiring_of(competition: Competition) -> Wiring:
    """Resolve contract and slots; raises ContractError or SlotError."""
    return _wiring(
        competition.config_path, json.dumps(competition.slots, sort_keys=True)
    )


def shown_wiring(competition: Competition) -> Wiring:
    """Return a competition's wiring for pages; never raises.

    If its own cannot be resolved, the built-in one is returned.
    """
    try:
        return wiring_of(competition)
    except CompetitionError:
        return wire(CrunchConfig(), {})


def reset_cache() -> None:
    """Forget contracts and slots; they are resolved anew when they are next needed."""
    config_loader.reset_cache()
    _wiring.cache_clear()


@lru_cache(maxsize=64)
def _wiring(config_path: str, slots_json: str) -> Wiring:
    return wire(load_config(config_path), json.loads(slots_json))
