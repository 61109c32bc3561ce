"""The rules of a competition as one document, and every version of it.

Rules are what decides about a round and its pay: feed, cadence, questions, callables,
contract. A version is kept whenever the document has changed: at an edit, an activation
and the start of a worker, which may have other code or another environment. These are
for people; the log names rules by the digest of `rules_version`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from pydantic import BaseModel

from competitions.contract import CrunchConfig
from competitions.errors import CompetitionError
from competitions.models import Competition, KeptRules
from competitions.rules_version import source_digest
from competitions.slots import Wiring
from competitions.wiring import wiring_of
from core import clock
from core.texts import one_line, readable, storable_json

OF_COMPETITION = (
    *("name", "config_path", "feed_source", "feed_kind", "feed_granularity"),
    *("checkpoint_interval_s", "score_interval_s", "snapshot_period_s"),
    *("emission_interval_s", "crunch_pubkey", "network"),
    *("compute_provider", "data_provider"),
)
OF_SCHEDULE = (
    *("scope_template", "prediction_interval_s", "resolve_horizon_s"),
    *("active", "order", "meta"),
)
Rules = dict[str, Any]


def rules_of(competition: Competition) -> Rules:
    """Return the rules as they are now, as JSON; raises CompetitionError.

    Callables stand there as `module:name`, beside the digest of the file of each. One
    statement.
    """
    wiring = wiring_of(competition)
    schedules = competition.scheduled_predictions.order_by("scope_key")
    found = {
        "competition": {name: getattr(competition, name) for name in OF_COMPETITION},
        "callables": dict(wiring.paths),
        "contract": _contract(wiring),
        "sources": {slot: source_digest(f) for slot, f in wiring.callables.items()},
        "schedules": {
            row.scope_key: {name: getattr(row, name) for name in OF_SCHEDULE}
            for row in schedules
        },
    }
    rules: Rules = json.loads(storable_json(json.dumps(found, default=str)))
    return rules


def keep_rules(
    *, competition_id: int, author: str = "", reason: str = ""
) -> KeptRules | None:
    """Keep the rules as a new version; None if the newest is the same.

    Rules whose code does not load are no rules: nothing is kept then.
    """
    with transaction.atomic():
        competition = Competition.objects.held().get(pk=competition_id)
        try:
            rules = rules_of(competition)
        except CompetitionError:
            return None
        newest = competition.kept_rules.order_by("-number").first()
        if newest is not None and newest.rules == rules:
            return None
        return KeptRules.objects.create(
            competition=competition,
            number=newest.number + 1 if newest else 1,
            begins_at=clock.now(),
            author=one_line(author, limit=150),
            reason=readable(reason),
            rules=rules,
        )


def changes_between(before: Any, after: Any, place: str = "") -> Iterator[str]:
    """Yield a line for each value that differs, with its place as a dotted path."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            inner = f"{place}.{key}" if place else str(key)
            if key not in before:
                yield f"+ {inner}: {_shown(after[key])}"
            elif key not in after:
                yield f"- {inner}: {_shown(before[key])}"
            else:
                yield from changes_between(before[key], after[key], inner)
    elif before != after:
        yield f"~ {place}: {_shown(before)} -> {_shown(after)}"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _contract(wiring: Wiring) -> Rules:
    return {
        name: _plain(getattr(wiring.config, name))
        for name in CrunchConfig.model_fields
        if name != "scheduled_predictions"  # the rows are what is asked
    }


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    if isinstance(value, type) or callable(value):
        module = getattr(value, "__module__", "")
        return f"{module}:{getattr(value, '__qualname__', type(value).__qualname__)}"
    return value
