"""Is the environment of a node as its site will read it?"""

from dotenv import dotenv_values

from competitions.slots import SLOTS, default_path
from crunchsite.coordinator.checkup.line import Line, or_ok
from crunchsite.settings.env import Env, EnvError, read_env
from crunchsite.settings.env_names import known_names, unread_names
from crunchsite.settings.workspace import NodeFolder

# Read by the files of a workspace alone, or by clients of older coordinators.
_FOR_OTHERS = {"CRUNCH_ID"}


def read_node(node: NodeFolder) -> tuple[Env | None, list[Line]]:
    """Return the environment that the node's site gets, and what is wrong with it.

    None if a value cannot be used.
    """
    files = [file for file in node.env_files if file.is_file()]
    names = {name for file in files for name in dotenv_values(file)}
    bad = _unread(names)
    try:
        env = read_env(*node.env_files)
    except EnvError as error:
        return None, [*bad, Line("FAIL", error.code, str(error))]
    for slot in SLOTS:
        if not getattr(env, slot.lower()):
            do = f"Write {slot}={default_path(slot)} there, or a callable of yours."
            found = f"{slot} is not set in {node.env_files[1]}."
            bad.append(Line("FAIL", "slot_not_set", found, do))
    return env, or_ok(bad, "environment", f"{len(names)} variables are set.")


def _unread(names: set[str]) -> list[Line]:
    advice = unread_names(names)
    known = known_names()
    return [
        Line(
            "WARN",
            "variable_not_read",
            f"{name} is not read:",
            advice.get(name, "remove it, unless your own code reads it."),
        )
        for name in sorted(names - _FOR_OTHERS)
        if name.lower() not in known
    ]
