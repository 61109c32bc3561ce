"""Order a board by the ranking figure, or by the operator's ranker.

NULL ranks last in both directions; equal figures rank by model id, so the order never
depends on the order of the input.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from competitions.callables.guarded_calls import CallableError, GuardedCalls
from competitions.contract import CrunchConfig
from competitions.slots import Wiring
from scoring.board.aggregator import Entrant


class RankingFigure(TypedDict):
    """The figure that decides a model's place."""

    key: str
    value: float | None
    direction: str


def ranking_figure(config: CrunchConfig, value: float | None) -> RankingFigure:
    """Return a value as the ranking figure of a contract."""
    aggregation = config.aggregation
    return RankingFigure(
        key=aggregation.ranking_key,
        value=value,
        direction=aggregation.ranking_direction,
    )


class Standing(NamedTuple):
    """A model's line on a board: figures, the number of scores behind them, its place.

    `samples` gives per window the scores and the expected scores. `rank` is None for a
    virtual or excluded model and for one whose ranking figure is unknown; `position`
    counts every line from 1.
    """

    model: Entrant
    metrics: Mapping[str, float | None]
    samples: Mapping[str, Mapping[str, int]]
    value: float | None
    rank: int | None = None
    position: int = 0
    counts: Mapping[str, int] = {}


def ranked_by(
    value: float | None, model_id: str, is_ascending: bool
) -> tuple[bool, float, str]:
    """Return by what a line is ordered: unknown figures last, equal ones by id."""
    if value is None:
        return True, 0.0, model_id
    return False, value if is_ascending else -value, model_id


def ranked(
    lines: Sequence[Standing], wiring: Wiring, guarded: GuardedCalls
) -> list[Standing]:
    """Order lines and number them; real models with a ranking figure get a rank.

    Those without a figure come last, in the order of their ids, and excluded models
    below them; an operator's ranker does not receive these. While it fails, the
    built-in order is used.
    """
    is_ascending = wiring.config.aggregation.ranking_direction == "asc"
    ordered = sorted(
        lines,
        key=lambda line: ranked_by(line.value, line.model.model_id, is_ascending),
    )
    excluded = [line for line in ordered if line.model.exclusion_reason]
    others: Sequence[Standing] = [
        line for line in ordered if not line.model.exclusion_reason
    ]
    if not wiring.is_default("LEADERBOARD_RANKER"):
        others = _by_slot(others, wiring, guarded)
    ranks = iter(range(1, len(lines) + 1))
    return [
        line._replace(rank=next(ranks) if _has_rank(line) else None, position=position)
        for position, line in enumerate([*others, *excluded], start=1)
    ]


def _has_rank(line: Standing) -> bool:
    is_out = line.model.is_virtual or line.model.exclusion_reason
    return not is_out and line.value is not None


def _by_slot(
    lines: Sequence[Standing], wiring: Wiring, guarded: GuardedCalls
) -> Sequence[Standing]:
    """Order the lines by the `rank` that the operator's ranker gives each entry."""
    by_id = {line.model.model_id: line for line in lines}
    try:
        order = guarded.call_slot(
            wiring,
            "LEADERBOARD_RANKER",
            [as_entry(line, wiring.config) for line in lines],
            check=lambda entries: _checked_order(entries, by_id),
        )
    except CallableError:
        return lines
    return [by_id[model_id] for model_id in order]


class _Ranked(TypedDict):
    """A model's entry as LEADERBOARD_RANKER returns it."""

    model_id: str
    rank: int


def _checked_order(entries: Any, known: Collection[str]) -> list[str]:
    """Return model ids, best first; raises ValueError if one is missing or unknown."""
    found = TypeAdapter(list[_Ranked]).validate_python(entries)
    order = [
        entry["model_id"]
        for entry in sorted(found, key=lambda e: (e["rank"], e["model_id"]))
    ]
    if sorted(order) != sorted(known):
        raise ValueError(
            f"it ranked {len(order)} entries of {len(known)}; "
            "it must return each entry once"
        )
    return order


def as_entry(line: Standing, config: CrunchConfig) -> dict[str, Any]:
    """Return a line in the form that the operator's slots receive."""
    return {
        "model_id": line.model.model_id,
        "model_name": line.model.name,
        "cruncher_name": line.model.cruncher_name,
        "score": {
            "metrics": dict(line.metrics),
            "ranking": ranking_figure(config, line.value),
        },
    }
