"""The ten callable slots: what can differ, and how a path becomes a callable.

Precedence: the competition's own path, then the environment's, then the contract's
attribute, then the engine's default (competitions/defaults.py). All are resolved and
their signatures checked when a competition is saved and when a worker starts.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from competitions.contract import CrunchConfig
from competitions.errors import SlotError
from core.texts import describe

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
        """Call a slot; one that takes a `context` gets it."""
        target = self.callables[slot]
        if slot in self.with_context:
            return target(*args, context=context)
        return target(*args)

    def is_default(self, slot: str) -> bool:
        """Whether the engine's own callable fills the slot, so sets may be used."""
        return self.paths[slot] == default_path(slot)


def default_path(slot: str) -> str:
    return f"competitions.defaults:{slot.lower()}"


def resolve(path: str, slot: str) -> Callable[..., Any]:
    """Import `module:callable` and check its signature against the slot.

    Raises SlotError naming slot, path and cause.
    """
    parameters = required_parameters(slot)
    module_name, colon, attribute = path.partition(":")
    if not (module_name and colon and attribute):
        raise SlotError(f"{slot} was {path!r}; give module.path:callable.")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise SlotError(f"{slot} was {path!r}: {describe(error)}.") from error
    try:
        target = getattr(module, attribute)
    except AttributeError:
        raise SlotError(
            f"{slot} was {path!r}: {module_name} has no {attribute}."
        ) from None
    if not callable(target):
        raise SlotError(f"{slot} was {path!r}, which is not callable.")
    check_signature(target, slot, path, parameters)
    return target


def required_parameters(slot: str) -> tuple[str, ...]:
    if slot not in SLOTS:
        raise SlotError(f"slot was {slot!r}; the slots are {', '.join(SLOTS)}.")
    return SLOTS[slot]


def check_signature(
    target: Callable[..., Any], slot: str, path: str, parameters: tuple[str, ...]
) -> None:
    """The leading parameters have the slot's names; any further one has a default."""
    try:
        found = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError) as error:
        raise SlotError(
            f"{slot} was {path!r}, whose parameters cannot be seen: {error}."
        ) from None
    names = tuple(p.name for p in found[: len(parameters)])
    if names != parameters:
        raise SlotError(
            f"{slot} was {path!r}({', '.join(p.name for p in found)}); "
            f"its parameters must begin with ({', '.join(parameters)})."
        )
    for extra in found[len(parameters) :]:
        variadic = extra.kind in (extra.VAR_POSITIONAL, extra.VAR_KEYWORD)
        if extra.default is extra.empty and not variadic:
            raise SlotError(
                f"{slot} was {path!r}: its extra parameter {extra.name!r} "
                "needs a default."
            )


_CONTRACT_ATTRIBUTES = {"SCORING_FUNCTION": "scoring_function"}


def wire(config: CrunchConfig, own_paths: Mapping[str, str]) -> Wiring:
    """Resolve all ten slots of a competition; raises SlotError on the first bad one."""
    for slot in own_paths:
        required_parameters(slot)
    callables: dict[str, Callable[..., Any]] = {}
    paths: dict[str, str] = {}
    for slot, parameters in SLOTS.items():
        path = own_paths.get(slot, "")
        if path == default_path(slot):
            path = (
                ""  # packs name all ten; the engine's own is no choice against others
            )
        path = path or getattr(settings.ENV, slot.lower())
        attribute = _CONTRACT_ATTRIBUTES.get(slot)
        from_contract = getattr(config, attribute) if attribute else None
        if not path and from_contract is not None:
            paths[slot] = f"contract:{attribute}"
            check_signature(from_contract, slot, paths[slot], parameters)
            callables[slot] = from_contract
            continue
        paths[slot] = path or default_path(slot)
        callables[slot] = resolve(paths[slot], slot)
    with_context = frozenset(
        slot
        for slot, target in callables.items()
        if "context" in inspect.signature(target).parameters
    )
    return Wiring(
        config=config, callables=callables, paths=paths, with_context=with_context
    )
