"""Compute what each strategy would have paid for a checkpoint, and how concentrated.

All follows from the ranking that the checkpoint keeps; nothing is ranked again.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from competitions.emission_rule import STRATEGY_NAMES, EmissionRule
from emissions.models import Checkpoint
from emissions.shares import shares_of

Shares = dict[int, int]
# What these read of each place: checkpoints have kept the figures from a version on,
# and have errors of those that are means.
READ = {
    "proportional": {"ranking_value"},
    "shrunken": {"ranking_value", "standard_error"},
}


def paid_shares(checkpoint: Checkpoint) -> Shares:
    """Return what a checkpoint pays, in billionths by cruncher's index."""
    rewards = checkpoint.entries[0]["cruncher_rewards"] if checkpoint.entries else []
    return {reward["cruncher_index"]: reward["reward_pct"] for reward in rewards}


def would_have_paid(checkpoint: Checkpoint) -> dict[str, Shares]:
    """Return what each strategy would have paid, by its name.

    Left out are those whose figures the checkpoint has not kept.
    """
    meta = checkpoint.meta
    ranking = meta.get("ranking", [])
    rule = _rule(meta)
    names = [
        name
        for name in STRATEGY_NAMES
        if all(READ.get(name, set()).issubset(entry) for entry in ranking)
    ]
    return {
        name: _by_cruncher(
            ranking,
            shares_of(
                rule.model_copy(update={"strategy": name}),
                ranking,
                is_ascending=meta.get("ranking_direction") == "asc",
            ),
        )
        for name in names
    }


def gini(shares: Collection[int]) -> float | None:
    """Return 0 where all have the same, towards 1 where one has all; None of none."""
    total, count = sum(shares), len(shares)
    if not total:
        return None
    ranked = sum(place * share for place, share in enumerate(sorted(shares), start=1))
    return (2 * ranked - (count + 1) * total) / (count * total)


def effective_number(shares: Iterable[int]) -> float | None:
    """Return how many equal shares are as concentrated as these; None of none."""
    own = [share for share in shares if share]
    return sum(own) ** 2 / sum(share**2 for share in own) if own else None


def _rule(meta: Mapping[str, Any]) -> EmissionRule:
    kept = meta.get("rule", {})
    return EmissionRule.model_validate({**kept, "strategy": "tiers"})


def _by_cruncher(ranking: Iterable[Mapping[str, Any]], shares: list[int]) -> Shares:
    found: Shares = {}
    for entry, share in zip(ranking, shares, strict=True):
        index = entry["cruncher_index"]
        found[index] = found.get(index, 0) + share
    return found
