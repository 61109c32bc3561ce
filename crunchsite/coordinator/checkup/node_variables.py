"""Is the environment of a node as its site will read it?"""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from competitions.slots import SLOTS, default_path
from crunchsite.coordinator.checkup.line import Line, or_ok
from crunchsite.settings.env import Env, EnvError, read_env
from crunchsite.settings.env_names import known_names, unread_names
from crunchsite.settings.workspace import NodeFolder

# Read by the files of a workspace alone, or by clients of older coordinators.
_FOR_OTHERS = {"CRUNCH_ID", "POSTGRES_PASSWORD", "FORWARDED_PROTO"}


def read_node(node: NodeFolder) -> tuple[Env | None, list[Line]]:
    """Return the environment that the node's site gets, and what is wrong with it.

    None if a value cannot be used.
    """
    values = _values(node)
    names = {name for given in values.values() for name in given}
    bad = [*_unread(names), *_overridden(node, values)]
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


def place_of(node: NodeFolder, name: str) -> str:
    """Return where the value of a variable comes from, for people; empty for nowhere.

    The process's own environment wins over the node's files, a later file over others.
    """
    if name in os.environ:  # noqa: TID251  asks where, not what
        return "the environment of this process"
    places = [file for file, given in _values(node).items() if given.get(name)]
    return str(places[-1].relative_to(node.node)) if places else ""


def _values(node: NodeFolder) -> dict[Path, Mapping[str, str | None]]:
    return {file: dotenv_values(file) for file in node.env_files if file.is_file()}


def _overridden(
    node: NodeFolder, values: Mapping[Path, Mapping[str, str | None]]
) -> list[Line]:
    """Name what was set in `.local.env` to no effect."""
    _, own, last = node.env_files
    mine, wins = values.get(own, {}), values.get(last, {})
    return [
        Line(
            "WARN",
            "variable_overridden",
            f"{name} is {mine[name]} in {own.name}, but {last.name} says {wins[name]}, "
            "which counts.",
            f"Remove it from {own.name}.",
        )
        for name in sorted(mine.keys() & wins.keys())
        if mine[name] and wins[name] and mine[name] != wins[name]
    ]


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
