"""Compare one pool with the next: which coins enter, and which leave."""

from collections.abc import Sequence
from dataclasses import dataclass


def entered(symbols: Sequence[str], before: Sequence[str] | None) -> tuple[str, ...]:
    """Return the symbols that `before` lacks, in order; empty without `before`."""
    if before is None:
        return ()
    return tuple(symbol for symbol in symbols if symbol not in before)


def left(symbols: Sequence[str], before: Sequence[str] | None) -> tuple[str, ...]:
    """Return the symbols of `before` that `symbols` lacks, in the order of `before`."""
    return tuple(symbol for symbol in before or () if symbol not in symbols)


def stability(symbols: Sequence[str], before: Sequence[str] | None) -> float | None:
    """Return the share of the pool that was in the one before; None without one."""
    if not before:
        return None
    return len(set(symbols) & set(before)) / len(symbols)


def churn(symbols: Sequence[str], before: Sequence[str] | None) -> float | None:
    """Return the share of the pool that is new; None without a pool before."""
    kept = stability(symbols, before)
    return None if kept is None else 1 - kept


@dataclass(frozen=True, kw_only=True)
class PoolChange:
    """The change for consumers from the previous version to `version`."""

    version: str
    symbols: tuple[str, ...]
    previous_version: str
    previous: tuple[str, ...]

    @property
    def entered(self) -> tuple[str, ...]:
        return entered(self.symbols, self.previous)

    @property
    def left(self) -> tuple[str, ...]:
        return left(self.symbols, self.previous)
