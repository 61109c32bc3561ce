"""The ten callable slots of a competition, and how a path becomes a callable.

The first of these is used: the competition's own path, the environment's, the
contract's attribute, the built-in default (competitions/defaults.py). All are resolved
and their signatures checked when a competition is saved and when a worker starts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from competitions.contract import CrunchConfig
from competitions.errors import SlotError
from competitions.signatures import check_counts, check_names, wants_context
from core.imports import NotImportable, import_target
from core.texts import brief

# Slot -> leading parameter names, in order (requirements, appendix B).
SLOTS: Mapping[str, tuple[str, ...]] = {
    "INFERENCE_INPUT_BUILDER": ("raw_input",),
    "INFERENCE_OUTPUT_VALIDATOR": ("inference_output",),
    "SCORING_FUNCTION": ("prediction", "ground_truth"),
    "MODEL_SCORE_AGGREGATOR": ("scored_predictions", "models"),
    "REPORT_SCHEMA_PROVIDER": (),
    "LEADERBOARD_RANKER": ("entries",),
    "RAW_INPUT_PROVIDER": ("now",),
    "GROUND_TRUTH_RESOLVER": ("prediction",),
    "PREDICTION_SCOPE_BUILDER": ("config", "inference_input"),
    "PREDICT_CALL_BUILDER": ("config", "inference_input", "scope"),
}


@dataclass(frozen=True)
class Wiring:
    """A competition's contract and its ten resolved callables."""

    config: CrunchConfig
    callables: Mapping[str, Callable[..., Any]]
    paths: Mapping[str, str]
    with_context: frozenset[str]

    def __getitem__(self, slot: str) -> Callable[..., Any]:
        return self.callables[slot]

    def call(self, slot: str, *args: Any, context: Any = None) -> Any:
        """Call a slot; pass `context` if it takes one."""
        target = self.callables[slot]
        if slot in self.with_context:
            return target(*args, context=context)
        return target(*args)

    def is_default(self, slot: str) -> bool:
        """Whether the engine's own callable fills the slot, so sets may be used."""
        return self.paths[slot] == default_path(slot)

    def named(self) -> set[tuple[str, str]]:
        """Return name and path of each callable, the keys of its failures."""
        config = self.config
        named = set(self.paths.items())
        if config.batch_scoring_function is not None:
            named.add(("SCORING_FUNCTION", "contract:batch_scoring_function"))
        named |= {
            (name, f"contract:{name}") for name in _COUNTS if getattr(config, name)
        }
        named |= {(f"metric {name}", name) for name in config.metrics}
        return named | {
            (f"ensemble {ensemble.name}", "contract:ensembles")
            for ensemble in config.ensembles
        }


def default_path(slot: str) -> str:
    return f"competitions.defaults:{slot.lower()}"


def resolve(path: str, slot: str) -> Callable[..., Any]:
    """Import `module:callable` and check its signature against the slot.

    Raises SlotError naming slot, path and cause.
    """
    parameters = required_parameters(slot)
    try:
        target: Callable[..., Any] = import_target(path)
    except NotImportable as error:
        raise SlotError(f"{slot} was {path!r}: {error}.") from error
    check_names(target, slot, path, parameters)
    return target


def required_parameters(slot: str) -> tuple[str, ...]:
    if slot not in SLOTS:
        raise SlotError(f"slot was {slot!r}; the slots are {', '.join(SLOTS)}.")
    return SLOTS[slot]


_CONTRACT_ATTRIBUTES = {"SCORING_FUNCTION": "scoring_function"}


def wire(config: CrunchConfig, own_paths: Mapping[str, str]) -> Wiring:
    """Resolve all ten slots of a competition, and check the contract's callables.

    Raises SlotError on the first bad one.
    """
    if not isinstance(own_paths, Mapping):
        raise SlotError("give an object of slot to module:callable.")
    for slot, path in own_paths.items():
        required_parameters(slot)
        if not isinstance(path, str):
            raise SlotError(f"{slot} was {brief(path)}; give module:attribute.")
    callables: dict[str, Callable[..., Any]] = {}
    paths: dict[str, str] = {}
    for slot, parameters in SLOTS.items():
        path = own_paths.get(slot, "")
        if not isinstance(path, str):
            raise SlotError(f"{slot} was {path!r}; give module.path:callable.")
        if path == default_path(slot):
            path = (
                # Packs name all ten; a path to a built-in callable counts as not set.
                ""
            )
        path = path or getattr(settings.ENV, slot.lower())
        attribute = _CONTRACT_ATTRIBUTES.get(slot)
        from_contract = getattr(config, attribute) if attribute else None
        if not path and from_contract is not None:
            paths[slot] = f"contract:{attribute}"
            check_names(from_contract, slot, paths[slot], parameters)
            callables[slot] = from_contract
            continue
        paths[slot] = path or default_path(slot)
        callables[slot] = resolve(paths[slot], slot)
        if slot == "SCORING_FUNCTION" and path:
            config = config.model_copy(update={"batch_scoring_function": None})
    _check_contract(config)
    with_context = frozenset(
        slot for slot, target in callables.items() if wants_context(target)
    )
    return Wiring(
        config=config, callables=callables, paths=paths, with_context=with_context
    )


_COUNTS = {
    "batch_scoring_function": (2,),
    "resolve_ground_truth": (1, 2),
    "aggregate_snapshot": (1,),
    "build_emission": (1,),
}
_KEYWORDS = {
    "build_emission": ("crunch_pubkey", "compute_provider", "data_provider"),
}


def _check_contract(config: CrunchConfig) -> None:
    """Refuse a callable of the contract that cannot be called with its arguments."""
    for name, counts in _COUNTS.items():
        if target := getattr(config, name):
            keywords = _KEYWORDS.get(name, ())
            check_counts(target, name, f"contract:{name}", counts, keywords)
    for ensemble in config.ensembles:
        for part in (ensemble.strategy, ensemble.model_filter):
            if callable(part):
                name = f"ensemble {ensemble.name}"
                check_counts(part, name, "contract:ensembles", (2,))
