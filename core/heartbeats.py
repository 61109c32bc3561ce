"""Heartbeats: signs that Beat sends tasks, and that workers of each queue handle them.

Kept in the cache, in real time, because the site's clock may run at another speed. A
process writes one when it starts, then every HEARTBEAT_S.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.core.cache import cache
from redis import RedisError

HEARTBEAT_S = 10.0
# Three may fail, or wait behind long tasks, before anybody is warned.
LATE_S = 3 * HEARTBEAT_S + 5
BEAT = "beat"


@dataclass(frozen=True)
class Silence:
    """A process without a heartbeat: since when (None: never), and what to do."""

    who: str
    since: datetime | None
    what: str


def give(names: Iterable[str], *, node: str) -> None:
    """Write a heartbeat now for each of these, Beat or queues, on `node`."""
    sign = {"node": node, "at": time.time()}
    try:
        cache.set_many({_key(name): sign for name in names}, timeout=None)
    except (RedisError, OSError):
        return  # the process lives; readiness reports the cache


def silences(queues: Iterable[str]) -> list[Silence]:
    """Return the processes whose heartbeat is late; none while the cache is down."""
    names = [BEAT, *queues]
    try:
        signs = cache.get_many([_key(name) for name in names])
    except (RedisError, OSError):
        return []
    late = {
        name: sign
        for name in names
        if not (sign := signs.get(_key(name)))
        # The clock may have been set back since.
        or abs(time.time() - sign["at"]) > LATE_S
    }
    if BEAT in late:
        # Beat sends the queues' heartbeats: without Beat those are unknown.
        return [_silence(BEAT, late[BEAT], "Beat", "celery -A crunchsite beat")]
    by_node: dict[str, list[str]] = {}
    for name, sign in late.items():
        by_node.setdefault(sign["node"] if sign else "", []).append(name)
    return [
        _silence(
            "worker",
            min((late[name] for name in group), key=lambda s: s["at"] if s else 0),
            f"the worker of {', '.join(group)}",
            f"celery -A crunchsite worker -Q {','.join(group)}",
        )
        for _, group in sorted(by_node.items())
    ]


def ages(names: Iterable[str]) -> dict[str, float]:
    """Return the seconds since each newest heartbeat; leave out those without one.

    Raises RedisError or OSError when the cache does not answer.
    """
    signs = cache.get_many([_key(name) for name in names])
    return {
        name.removeprefix(_key("")): abs(time.time() - sign["at"])
        for name, sign in signs.items()
    }


def _silence(who: str, sign: dict[str, Any] | None, name: str, command: str) -> Silence:
    since = datetime.fromtimestamp(sign["at"], UTC) if sign else None
    seen = (
        f"was seen last {since:%Y-%m-%d %H:%M:%S} UTC on {sign['node']}"
        if sign
        else "was not seen yet"
    )
    what = f"{name[0].upper()}{name[1:]} {seen}; look at its log, or start {command}."
    return Silence(who=who, since=since, what=what)


def _key(name: str) -> str:
    return f"heartbeat:{name}"
