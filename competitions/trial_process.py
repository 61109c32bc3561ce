"""Try an operator's code in a separate process, before a process with secrets loads it.

`python -m competitions.trial_process FILE` is that process (core/trial_child.py); it
writes the problem to FILE. The callables' answers are checked later, at activation;
here they only have to return.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from competitions.config_loader import OPERATOR_PACKAGE, has_operators_package
from competitions.errors import CompetitionError, ContractError, SlotError
from competitions.slots import SLOTS, Wiring, default_path, wire
from core.collector import loading
from core.imports import NotImportable, check_module, is_within
from core.texts import message_of, readable
from core.trial_child import limit_memory, run_trial

# Real time for starting Python, importing and calling.
PATIENCE_S = 30.0
_WELL = "well"
_CONTRACT = "contract"
_ERRORS = {error.code: error for error in (ContractError, SlotError)}


# Trials before a competition runs, registered by the AppConfigs: each function gets the
# competition and its wiring, and returns the problems.
TRIALS: list[Callable[[Any, Wiring], Sequence[str]]] = []


def try_apart(*, config_path: str, slots: Mapping[str, Any]) -> None:
    """Load and call the operator's callables, if any, in a separate process.

    Raises ContractError or SlotError, also when they end the process or never return.
    Built-in callables are not tried.
    """
    others = {
        name: path
        for name, path in _paths(config_path, slots).items()
        if not is_within(path.partition(":")[0], settings.OWN_CALLABLES)
    }
    if not others:
        return
    for name, path in others.items():
        _check(name, path)
    answer, how_it_ended = run_trial(
        __name__,
        {"config_path": config_path, "slots": slots},
        variables=_variables(),
        patience_s=PATIENCE_S,
    )
    code, _, problem = answer.partition("\n")
    if code in _ERRORS:
        raise _ERRORS[code](readable(problem))
    if answer != _WELL or how_it_ended:
        how = how_it_ended or "it left the process"
        raise ContractError(f"the code was tried in a separate process: {how}.")


def _paths(config_path: str, slots: Mapping[str, Any]) -> dict[str, str]:
    """Return all paths that are set: the contract, and slots by row or variable."""
    env = settings.ENV
    contract = config_path or env.crunch_config_module
    if not contract and has_operators_package():
        contract = OPERATOR_PACKAGE
    # An invalid value is refused elsewhere.
    given = slots if isinstance(slots, Mapping) else {}
    variables = {slot: getattr(env, slot.lower()) for slot in SLOTS}
    return {
        name: path
        for name, path in {_CONTRACT: contract, **variables, **given}.items()
        if path and isinstance(path, str)
    }


def _check(name: str, path: str) -> None:
    """Raise for a path that may not be imported; this check needs no process."""
    try:
        check_module(path.partition(":")[0])
    except NotImportable as error:
        if name == _CONTRACT:
            raise ContractError(
                f"contract {path} could not be loaded: {error}."
            ) from error
        raise SlotError(f"{name} was {path!r}: {error}.") from error


def _variables() -> dict[str, str]:
    """Return the child's variables: folders of code, and the names of callables."""
    env = settings.ENV
    names = ["crunch_config_module", *(slot.lower() for slot in SLOTS)]
    return {
        "VAR_DIR": str(settings.VAR_DIR),
        "LOCAL_MODELS_DIR": str(settings.LOCAL_MODELS_DIR),
        "WORKSPACES_DIR": str(settings.WORKSPACES_DIR),
        "CALLABLE_PACKAGES": ",".join(settings.CALLABLE_PACKAGES),
        **{name.upper(): value for name in names if (value := getattr(env, name))},
    }


def main(answer: Path) -> None:
    """Try the code named on standard input; write the problem, or none."""
    import django

    limit_memory()
    with loading():
        django.setup()
    from competitions.config_loader import load_config
    from competitions.models import Competition

    # This file runs as __main__ here, but the apps registered in the imported module.
    from competitions.trial_process import TRIALS

    asked = json.load(sys.stdin)
    try:
        wiring = wire(load_config(asked["config_path"]), asked["slots"])
    except CompetitionError as error:
        found = f"{error.code}\n{message_of(error)}"
    else:
        _call_all(wiring)
        for trial in TRIALS:
            with suppress(BaseException):  # trials that need a database do nothing here
                trial(Competition(), wiring)
        found = _WELL
    answer.write_text(found)


def _call_all(wiring: Wiring) -> None:
    """Call each callable that is not the engine's, with a value for each parameter."""
    shown = ("raw_input", "inference_input", "inference_output", "scope")
    something: dict[str, Any] = {
        **{name: {} for name in shown},
        **{name: [] for name in ("scored_predictions", "models", "entries")},
        "now": datetime.now(UTC),  # noqa: TID251  any instant will do
        "config": wiring.config,
    }
    for slot, names in SLOTS.items():
        if wiring.paths[slot] != default_path(slot):
            with suppress(BaseException):  # errors on made-up values do not matter here
                wiring.call(slot, *(something.get(name) for name in names))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
