"""Check the rows of latest_ranking.csv against the pool that was made from them."""

import math
from collections.abc import Iterator, Mapping, Sequence

from livepool.model.regime import REGIMES
from livepool.release.symbol_rules import normal_symbols, symbol_problems

_TRUE = {"1", "true", "yes", "y", "on"}
Rows = Sequence[Mapping[str, str]]


def ranking_problems(rows: Rows, pool: list[str]) -> Iterator[str]:
    """Yield what is wrong with the ranking of the ordered `pool`."""
    listed = [row["symbol"] for row in rows]
    yield from symbol_problems(listed, "latest_ranking")
    chosen = _selected(rows)
    selected = [row["symbol"].strip().upper() for row in chosen]
    for name, present in (
        ("ranking", normal_symbols(listed)),
        ("selected rows", selected),
    ):
        absent = sorted(set(pool) - set(present))
        if absent:
            yield f"live_pool has {', '.join(absent)} outside the {name}"
    if len(selected) != len(pool):
        yield f"{len(selected)} rows are selected, the pool has {len(pool)}"
    ranks = [number_in(row["current_rank"]) for row in chosen]
    known = [rank for rank in ranks if rank is not None]
    if len(known) != len(ranks):
        yield "a selected row has no numeric current_rank"
    elif len(set(known)) != len(known):
        yield "two selected rows share a current_rank"
    elif [symbol for _, symbol in sorted(zip(known, selected, strict=True))] != pool:
        yield "live_pool order differs from the selected rows by rank"


def ranking_warnings(rows: Rows) -> Iterator[str]:
    """Yield what is unusual in the ranking, but not a violation."""
    unknown = sorted({row["regime"] for row in rows} - set(REGIMES))
    if unknown:
        yield f"unknown regimes: {', '.join(unknown)}"
    ranks = sorted(number_in(row["current_rank"]) or 0.0 for row in _selected(rows))
    if ranks != [float(n) for n in range(1, len(ranks) + 1)]:
        yield "the selected rows are not the best ranks"


def number_in(text: str) -> float | None:
    """Return a finite number, or None for a text that is not one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _selected(rows: Rows) -> list[Mapping[str, str]]:
    return [row for row in rows if row["selected_flag"].strip().lower() in _TRUE]
