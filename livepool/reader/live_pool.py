"""The live pool as a trading system uses it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

STATIC_SYMBOLS = tuple(
    f"{base}USDT"
    for base in (
        *("ETH", "SOL", "XRP", "TRX", "ADA", "DOGE", "LINK"),
        *("LTC", "AVAX", "BCH", "DOT", "XLM", "NEAR"),
    )
)


class PoolError(ValueError):
    """A source has no usable pool; the message says why."""


@dataclass(frozen=True)
class Pool:
    """A pool in published order, and how it was obtained; immutable."""

    symbols: tuple[str, ...]
    bases: Mapping[str, str]
    version: str
    mode: str
    as_of_date: date | None
    source_project: str
    source: str
    degraded: bool = False
    messages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        own = MappingProxyType(dict(self.bases))
        object.__setattr__(self, "bases", own)

    @property
    def symbol_map(self) -> dict[str, dict[str, str]]:
        """Return a new map in published order, which the caller may change."""
        return {s: {"base_asset": self.bases[s]} for s in self.symbols}


def base_asset(symbol: str) -> str:
    """Return the coin of a symbol that is quoted in USDT."""
    return symbol.removesuffix("USDT")
