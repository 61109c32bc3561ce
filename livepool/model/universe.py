"""Decide which coins may be in the pool: filters, limits, changes at month ends.

Pure functions over columns. Metadata (`symbol, status, base_asset, quote_asset,
is_spot_trading_allowed`) is optional: without it a symbol counts as trading on the
dates on which it has a candle, so a coin that was delisted later still counts before.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from livepool.model.features import GRID
from livepool.model.parameters import BENCHMARK, QUOTE, Gates, UniverseConfig

_MULTIPLIER = re.compile(r"^10{3,}(?=[A-Z])|(?<=[A-Z])10{3,}$")


@dataclass(frozen=True)
class Refresh:
    """The universe from `date` on: coins that passed the limits, and the members."""

    date: date
    candidates: tuple[str, ...]
    members: tuple[str, ...]


def base_asset(symbol: str) -> str:
    return symbol.removesuffix(QUOTE)


def eligible_symbols(
    symbols: list[str],
    gates: Gates,
    config: UniverseConfig,
    metadata: pl.DataFrame | None = None,
) -> dict[str, str]:
    """Return the symbols that pass the static filters, with their base assets.

    A leveraged token is a listed base with a suffix (BTCUP), so JUP and SUPER pass.
    High-noise bases count under their multiplied names too (1000PEPE).
    """
    if metadata is None:
        bases = {s: base_asset(s) for s in symbols if s.endswith(QUOTE)}
        listed = set(bases.values())
    else:
        listed = set(metadata["base_asset"])
        rows = metadata.filter(
            (pl.col("status") == "TRADING")
            & (pl.col("quote_asset") == QUOTE)
            & pl.col("is_spot_trading_allowed")
        )
        traded = dict(rows.select("symbol", "base_asset").iter_rows())
        bases = {s: traded[s] for s in symbols if s in traded}

    def leveraged(base: str) -> bool:
        return any(
            base.endswith(suffix) and base.removesuffix(suffix) in listed
            for suffix in config.leveraged_suffixes
        )

    def noisy(base: str) -> bool:
        names = {base, _MULTIPLIER.sub("", base)}
        return gates.exclude_high_noise and bool(names & config.high_noise_bases)

    return {
        symbol: base
        for symbol, base in sorted(bases.items())
        if symbol != BENCHMARK
        and base not in config.excluded_bases
        and symbol not in config.excluded_symbols
        and not leveraged(base)
        and not noisy(base)
    }


def month_ends(dates: list[date]) -> list[date]:
    """Return the last date of each calendar month, and the very first date."""
    last = {(day.year, day.month): day for day in sorted(dates)}
    return sorted({*last.values(), min(dates)}) if dates else []


def refresh_dates(dates: list[date]) -> list[date]:
    """Return the month ends, less one that a run on the next day (the 1st) repeats."""
    days = month_ends(dates)
    if len(days) > 1 and days[-1] - days[-2] == timedelta(days=1):
        del days[-2]
    return days


def _tests(gates: Gates) -> list[tuple[str, pl.Expr, float]]:
    """Return for each limit its name, the coin's value, and the minimum."""

    def volume(days: int) -> pl.Expr:
        return pl.col(f"avg_quote_vol_{days}").round(2)  # cents, not last digits

    def liquid_days(window: int) -> pl.Expr:
        enough = (pl.col("quote_volume") >= gates.min_daily_quote_vol).cast(pl.Int32)
        return enough.rolling_sum(window).over("symbol").fill_null(0)

    liquid = f"days over {_amount(gates.min_daily_quote_vol)} USDT in the last"
    return [
        ("days of history", pl.col("age_days"), gates.min_history_days),
        ("USDT a day over 30 days", volume(30), gates.min_avg_quote_vol_30),
        ("USDT a day over 90 days", volume(90), gates.min_avg_quote_vol_90),
        ("USDT a day over 180 days", volume(180), gates.min_avg_quote_vol_180),
        (
            "steadiness of turnover",
            pl.col("liquidity_stability").round(GRID),
            gates.min_liquidity_stability,
        ),
        (
            "of 180 days with trades",
            pl.col("tradable_ratio_180").round(GRID),
            gates.min_tradable_ratio_180,
        ),
        (f"{liquid} 90", liquid_days(90), gates.min_liquidity_days_90),
        (f"{liquid} 180", liquid_days(180), gates.min_liquidity_days_180),
    ]


def refusals(
    panel: pl.DataFrame, day: date, gates: Gates, eligible: Mapping[str, str]
) -> dict[str, str]:
    """Return for each symbol of the panel why it is not in the universe on `day`."""
    columns = {f"_{n}": value for n, (_, value, _) in enumerate(_tests(gates))}
    rows = panel.with_columns(**columns).filter(
        (pl.col("date") == day) & ~pl.col("in_universe")
    )
    found = {}
    for row in rows.iter_rows(named=True):
        symbol = row["symbol"]
        if symbol == BENCHMARK:
            continue
        if symbol not in eligible:
            found[symbol] = "excluded by name, or not traded"
            continue
        short = [
            f"{_amount(row[f'_{n}'])} {what}, needs {_amount(least)}"
            for n, (what, _, least) in enumerate(_tests(gates))
            if row[f"_{n}"] is None or row[f"_{n}"] < least
        ]
        found[symbol] = "; ".join(short) or (
            f"passes; enters after {gates.entry_confirmations} month ends in a row"
        )
    return dict(sorted(found.items()))


def _amount(value: float | None) -> str:
    """Format a number rounded down: what falls short of a limit does not look like it.

    A last digit of a binary fraction takes nothing away.
    """
    if value is None:
        return "unknown"
    if value >= 1e6:
        return f"{math.floor(round(value / 1e5, 9)) / 10:.1f} M"
    if isinstance(value, int) or value >= 2:
        return f"{math.floor(value):,}"
    return f"{math.floor(round(value * 100, 9)) / 100:.2f}"


def passing(panel: pl.DataFrame, gates: Gates) -> pl.DataFrame:
    """Return (date, symbol) rows that pass the limits; unknown values fail."""

    tests = [value >= least for _, value, least in _tests(gates)]
    return panel.select(
        "date", "symbol", pl.all_horizontal(tests).fill_null(value=False).alias("ok")
    ).filter("ok")


def history(
    panel: pl.DataFrame,
    gates: Gates,
    config: UniverseConfig,
    metadata: pl.DataFrame | None = None,
) -> list[Refresh]:
    """Return the universe at each refresh date, oldest first.

    A coin enters after `entry_confirmations` refreshes in a row that it passes and
    leaves after `exit_confirmations` that it fails.
    """
    static = eligible_symbols(
        panel["symbol"].unique().to_list(), gates, config, metadata
    )
    days = refresh_dates(panel["date"].unique().to_list())
    rows = passing(panel, gates).filter(
        pl.col("date").is_in(days) & pl.col("symbol").is_in(list(static))
    )
    candidates: dict[date, set[str]] = {day: set() for day in days}
    for day, symbol, _ in rows.iter_rows():
        candidates[day].add(symbol)
    passed = dict.fromkeys(static, 0)
    failed = dict.fromkeys(static, 0)
    members: set[str] = set()
    refreshes = []
    for day in days:
        for symbol in static:
            is_candidate = symbol in candidates[day]
            passed[symbol] = passed[symbol] + 1 if is_candidate else 0
            failed[symbol] = 0 if is_candidate else failed[symbol] + 1
        members = {s for s in members if failed[s] < gates.exit_confirmations} | {
            s for s in candidates[day] if passed[s] >= gates.entry_confirmations
        }
        refreshes.append(
            Refresh(
                date=day,
                candidates=tuple(sorted(candidates[day])),
                members=tuple(sorted(members)),
            )
        )
    return refreshes


def with_membership(panel: pl.DataFrame, refreshes: list[Refresh]) -> pl.DataFrame:
    """Add `in_universe` and `universe_snapshot_date` to every row of the panel."""
    snapshots = pl.DataFrame(
        {"universe_snapshot_date": [refresh.date for refresh in refreshes]},
        schema={"universe_snapshot_date": pl.Date},
    )
    members = pl.DataFrame(
        [
            (refresh.date, symbol, True)
            for refresh in refreshes
            for symbol in refresh.members
        ],
        schema={
            "universe_snapshot_date": pl.Date,
            "symbol": pl.String,
            "in_universe": pl.Boolean,
        },
        orient="row",
    )
    calendar = panel.select(pl.col("date").unique().sort()).join_asof(
        snapshots.with_columns(pl.col("universe_snapshot_date").alias("date")),
        on="date",
    )
    return (
        panel.join(calendar, on="date", how="left", maintain_order="left")
        .join(
            members,
            on=["universe_snapshot_date", "symbol"],
            how="left",
            maintain_order="left",
        )
        .with_columns(pl.col("in_universe").fill_null(value=False))
    )
