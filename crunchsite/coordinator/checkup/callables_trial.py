"""Do a node's callables import, fit their slots, and return on made-up values?

They are tried in a process of their own: `callables_child.py`, run by
core/trial_child.py.
"""

import json

from competitions.scaffold.errors import ScaffoldError
from competitions.scaffold.installed import read_schedule
from competitions.slots import SLOTS
from core.trial_child import run_trial
from crunchsite.coordinator.checkup.line import Line
from crunchsite.coordinator.checkup.node_variables import place_of
from crunchsite.settings.env import Env
from crunchsite.settings.workspace import NodeFolder

PATIENCE_S = 60.0
_SERVICES = (
    "predict_service_factory",
    "score_service_factory",
    "report_app_factory",
)
_CHILD = "crunchsite.coordinator.checkup.callables_child"


def check_callables(node: NodeFolder, env: Env) -> list[Line]:
    """Return what the child found; a child that dies or hangs is a FAIL."""
    answer, how_it_ended = run_trial(
        _CHILD,
        _question(node, env),
        first_paths=[str(node.node), str(node.challenge)],
        variables=_variables(node, env),
        patience_s=PATIENCE_S,
    )
    try:
        lines = [Line(**row) for row in json.loads(answer)]
    except (ValueError, TypeError):
        lines = []
    if how_it_ended or not lines:
        found = f"the callables were tried in a process: {how_it_ended or 'it left'}."
        do = "Importing or calling them must not end the process, nor wait."
        lines.append(Line("FAIL", "callable_failed", found, do))
    return lines


def _question(node: NodeFolder, env: Env) -> dict[str, object]:
    try:
        schedule = read_schedule(node.schedule_file)
    except ScaffoldError:  # said by the check of the schedule
        schedule = []
    first = schedule[0].model_dump() if schedule else {}
    return {
        "scope_key": first.get("scope_key", "doctor"),
        "scope_template": first.get("scope_template", {}),
        **first.get("schedule", {}),
        "places": {slot: place_of(node, slot) for slot in SLOTS},
        "kind": env.feed_kind,
        "granularity": env.feed_granularity,
    }


def _variables(node: NodeFolder, env: Env) -> dict[str, str]:
    names = ["crunch_config_module", *_SERVICES, *(slot.lower() for slot in SLOTS)]
    return {
        "WORKSPACE": str(node.node),
        "CALLABLE_PACKAGES": env.callable_packages,
        **{name.upper(): value for name in names if (value := getattr(env, name))},
    }
