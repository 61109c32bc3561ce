"""Weigh the places of a ranking by a strategy: pure, and exact for what is ranked.

Each strategy returns a weight for each entry, best first; `shares_of` turns them into
billionths that sum to exactly the whole. Where no entry has a weight, all are equal.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple

from competitions.emission_rule import EmissionRule
from emissions import frac64

# Percent for ranks 1 to 10; these sum to 100, so later ranks get nothing.
TIERS = (35, 10, 10, 10, 10, 5, 5, 5, 5, 5)
NOTHING = Fraction(0)

Weights = list[Fraction]


class Asked(NamedTuple):
    """A ranking and the rule by which it is weighed.

    Of an entry, the strategies read `ranking_value` (the figure it is ranked by),
    `standard_error` (of that figure in the period) and `result_summary`; each may be
    unknown. `is_ascending` tells that the lowest figure is the best.
    """

    rule: EmissionRule
    ranking: Sequence[Mapping[str, Any]]
    is_ascending: bool

    def values(self) -> list[float]:
        """Return the figures; one that is unknown counts as 0."""
        return [entry.get("ranking_value") or 0.0 for entry in self.ranking]


def shares_of(
    rule: EmissionRule,
    ranking: Sequence[Mapping[str, Any]],
    *,
    is_ascending: bool = False,
) -> list[int]:
    """Return the billionths of each entry; they sum to the whole, or are none of none.

    See `Asked` for what is read of an entry.
    """
    weights = STRATEGIES[rule.strategy](Asked(rule, ranking, is_ascending))
    if rule.ties == "shared":
        weights = _shared(weights, ranking)
    if not any(weights):
        weights = [Fraction(1)] * len(ranking)
    return frac64.split(weights)


def tier_weights(count: int) -> Weights:
    """Return the percent of ranks 1 to `count`.

    With fewer than ten ranks, the shares of the missing tiers are divided equally.
    """
    tiers = TIERS[:count]
    if not tiers:
        return []
    left = Fraction(100 - sum(tiers), count)
    return [tier + left for tier in tiers] + [left] * (count - len(tiers))


def _tiers(asked: Asked) -> Weights:
    return tier_weights(len(asked.ranking))


def _equal(asked: Asked) -> Weights:
    return [Fraction(place < asked.rule.best) for place in range(len(asked.ranking))]


def _proportional(asked: Asked) -> Weights:
    """Weigh by the figure above zero; below the worst where the lowest is best."""
    return _above(asked.values(), asked.is_ascending)


def _shrunken(asked: Asked) -> Weights:
    """Weigh by figures that are drawn to their mean, the more the less is known.

    A figure keeps the share t/(t + e) of its distance, with its squared standard error
    e and the variance t between the models that is not explained by their errors. One
    of which no error is known keeps nothing.
    """
    values = asked.values()
    if not values:
        return []
    squared = [_squared(entry.get("standard_error")) for entry in asked.ranking]
    mean = math.fsum(values) / len(values)
    spread = math.fsum((value - mean) ** 2 for value in values) / max(
        len(values) - 1, 1
    )
    known = [each for each in squared if each is not None]
    noise = math.fsum(known) / len(known) if known else 0.0
    between = max(spread - noise, 0.0)

    def kept(error: float | None) -> float:
        if error is None or not between:
            return 0.0
        return between / (between + error)

    drawn = [
        mean + kept(error) * (value - mean)
        for value, error in zip(values, squared, strict=True)
    ]
    return _above(drawn, asked.is_ascending)


def _contribution(asked: Asked) -> Weights:
    """Weigh rank, contribution and diversity, each from 0 (worst) to 1 (best)."""
    summaries = [entry.get("result_summary") or {} for entry in asked.ranking]
    parts = (
        (
            asked.rule.weights.rank,
            [Fraction(1, place) for place in range(1, len(asked.ranking) + 1)],
        ),
        (
            asked.rule.weights.contribution,
            [summary.get("contribution") or 0.0 for summary in summaries],
        ),
        (
            asked.rule.weights.diversity,
            [1 - (summary.get("model_correlation") or 0.0) for summary in summaries],
        ),
    )
    total = [NOTHING] * len(asked.ranking)
    for weight, values in parts:
        scaled = _from_0_to_1([Fraction(value) for value in values])
        total = [
            sum_ + Fraction(str(weight)) * value
            for sum_, value in zip(total, scaled, strict=True)
        ]
    return _with_floor(total, Fraction(str(asked.rule.floor)))


STRATEGIES: dict[str, Callable[[Asked], Weights]] = {
    "tiers": _tiers,
    "contribution": _contribution,
    "proportional": _proportional,
    "equal": _equal,
    "shrunken": _shrunken,
}


def _squared(error: float | None) -> float | None:
    return None if error is None else error**2


def _above(values: Sequence[float], is_ascending: bool) -> Weights:
    exact = [Fraction(value) for value in values]
    if is_ascending:
        worst = max(exact, default=NOTHING)
        return [worst - value for value in exact]
    return [max(value, NOTHING) for value in exact]


def _from_0_to_1(values: Weights) -> Weights:
    """Scale the values to [0, 1]; where all are (almost) the same, share 1 equally."""
    if not values:
        return []
    low, high = min(values), max(values)
    if high - low < Fraction(1, 10**12):
        return [Fraction(1, len(values))] * len(values)
    return [(value - low) / (high - low) for value in values]


def _with_floor(weights: Weights, floor: Fraction) -> Weights:
    """Raise the smallest shares to `floor`, at the cost of the others in proportion.

    With more entries than floors fit into the whole, all are equal.
    """
    if not weights or not sum(weights) or floor * len(weights) >= 1:
        return [Fraction(1)] * len(weights)
    raised: set[int] = set()
    while True:
        rest = sum(weight for i, weight in enumerate(weights) if i not in raised)
        left = 1 - floor * len(raised)
        low = {
            i
            for i, weight in enumerate(weights)
            if i not in raised and weight * left < floor * rest
        }
        if not low:
            break
        raised |= low
    return [
        floor if i in raised else weight * left / rest
        for i, weight in enumerate(weights)
    ]


def _shared(weights: Weights, ranking: Sequence[Mapping[str, Any]]) -> Weights:
    """Give neighbours with the same figure the mean of their weights."""
    shared: Weights = []
    for value, group in groupby(
        zip(weights, ranking, strict=True),
        key=lambda pair: pair[1].get("ranking_value"),
    ):
        own = [weight for weight, _ in group]
        is_tie = value is not None
        shared += [sum(own, NOTHING) / len(own)] * len(own) if is_tie else own
    return shared
