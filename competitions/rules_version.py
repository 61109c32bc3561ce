"""Name the rules of a competition by one digest: its settings, contract and code.

The digest changes when a rule, a callable's path or the source of its module does. The
log has an entry of each (kind `rules`), and each round's entry names the digest under
which its models were asked. The numbered versions that people read are `kept_rules`.
"""

import hashlib
import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.db import transaction

from competitions.models import Competition
from competitions.slots import Wiring
from core.tlog.exact import exact_json
from proofs.leaves import NewLeaf, append_leaves
from proofs.models import LogLeaf

FIELDS = (
    *("pack", "config_path", "feed_source", "feed_kind", "feed_granularity"),
    *("score_interval_s", "snapshot_period_s", "emission_interval_s"),
    *("crunch_pubkey", "network", "compute_provider", "data_provider"),
)
_CONTRACT = (
    *("scoring_function", "batch_scoring_function", "resolve_ground_truth"),
    *("aggregate_snapshot", "build_emission"),
)
MOST_KEPT = 64  # wirings whose part is remembered

# Competitions and digests that are in the log, as this process knows.
_logged: set[tuple[int, str]] = set()
# By the identity of a wiring, which is kept beside its part so that it stays the same.
_parts: dict[int, tuple[Wiring, dict[str, Any]]] = {}


@dataclass(frozen=True)
class RulesVersion:
    """Rules as exact JSON, and the SHA-256 of it in hex."""

    text: str
    digest: str


def rules_version(competition: Competition, wiring: Wiring) -> RulesVersion:
    """Return the rules that hold now; reads no database."""
    row = {name: getattr(competition, name) for name in FIELDS}
    text = exact_json({**row, "competition": competition.slug, **_part(wiring)})
    return RulesVersion(text, hashlib.sha256(text.encode()).hexdigest())


def log_rules(competition: Competition, wiring: Wiring) -> str:
    """Return the digest of the rules; new ones are appended to the log before.

    Runs in the transaction of what names the digest. One statement when this process
    does not know that the log has them, else none.
    """
    version = rules_version(competition, wiring)
    known = competition.pk, version.digest
    if known not in _logged:
        leaf = NewLeaf(
            LogLeaf.Kind.RULES,
            f"{competition.pk}:{version.digest}",
            {
                "competition": competition.slug,
                "digest": version.digest,
                "rules": version.text,
            },
            competition=competition.pk,
        )
        append_leaves([leaf], may_exist=True)
        transaction.on_commit(lambda: _logged.add(known))
    return version.digest


def forget() -> None:
    """Forget what this process knows to be in the log."""
    _logged.clear()


def _part(wiring: Wiring) -> dict[str, Any]:
    if id(wiring) not in _parts:
        if len(_parts) >= MOST_KEPT:
            _parts.clear()
        _parts[id(wiring)] = wiring, _described(wiring)
    return _parts[id(wiring)][1]


def _described(wiring: Wiring) -> dict[str, Any]:
    config = wiring.config
    callables = {
        slot: {"path": wiring.paths[slot], "source": source_digest(target)}
        for slot, target in wiring.callables.items()
    }
    for name in _CONTRACT:
        if target := getattr(config, name):
            path = f"{target.__module__}:{getattr(target, '__qualname__', name)}"
            callables[name] = {"path": path, "source": source_digest(target)}
    return {
        "aggregation": config.aggregation.model_dump(mode="json"),
        "callables": callables,
        "contract": {
            "path": f"{type(config).__module__}:{type(config).__qualname__}",
            "source": source_digest(type(config)),
        },
        "ensembles": [each.name for each in config.ensembles if each.enabled],
        "metrics": list(config.metrics),
        "min_paid_coverage": config.min_paid_coverage,
        "rule": config.emission.model_dump(mode="json"),  # as checkpoints have it
        "trades": config.trading is not None,
    }


def source_digest(target: Callable[..., Any]) -> str | None:
    """Return the SHA-256 of the file that defines a callable, in hex; None without."""
    for each in (inspect.unwrap(target), type(target)):  # else it has a `__call__`
        with suppress(TypeError):
            if file := inspect.getsourcefile(each):
                return _file_digest(file)
    return None


@lru_cache(maxsize=256)
def _file_digest(file: str) -> str | None:
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return None
