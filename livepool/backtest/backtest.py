"""Backtest the ranking: weekly top names, inverse volatility, trades at the next open.

Scores come from purged walk-forward models. The first weeks, for which no model had
enough history, are left out for every strategy alike, so that the lines can be
compared. Two baselines are shown beside the scores: holding the benchmark, and the
whole universe in equal parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl

from livepool.backtest import simulator
from livepool.backtest.simulator import Array, Path, SimulationError
from livepool.model import pipeline
from livepool.model.features import GRID
from livepool.model.parameters import BENCHMARK, BacktestConfig
from livepool.model.pipeline import BuildError, Panel

SCORES = ("final_score", "rule_score", "linear_score", "ml_score")
Weights = dict[str, float]


@dataclass(frozen=True)
class Backtest:
    """Paths by strategy on the same dates."""

    dates: tuple[date, ...]
    symbols: tuple[str, ...]
    paths: Mapping[str, Path]

    def summary(self) -> pl.DataFrame:
        """Return one row per strategy, with `simulator.METRICS`."""
        return pl.DataFrame(
            [
                {"strategy": name, **simulator.metrics(path)}
                for name, path in self.paths.items()
            ]
        )

    def equity(self) -> pl.DataFrame:
        """Return one row per date: equity and drawdown of every strategy."""
        columns = {"date": list(self.dates)}
        for name, path in self.paths.items():
            columns |= {f"{name}_equity": path.equity.tolist()}
            columns |= {f"{name}_drawdown": path.drawdown.tolist()}
        return pl.DataFrame(columns)


def rebalance_dates(dates: list[date]) -> list[date]:
    """Return the last date of each week (Monday to Sunday), and the first date."""
    last = {day.isocalendar()[:2]: day for day in dates}
    return sorted({dates[0], *last.values()})


def select(rows: pl.DataFrame, score: str, config: BacktestConfig) -> Weights:
    """Return the weights of the best names of one date; all cash if none qualifies."""
    best = (
        rows.filter(pl.col(score).is_not_null() & pl.col("vol20").is_not_null())
        .sort(pl.col(score).round(GRID), "symbol", descending=[True, False])
        .head(config.top_n)
    )
    risk = 1 / np.maximum(best["vol20"].to_numpy(), config.min_volatility)
    return dict(zip(best["symbol"], risk / risk.sum(), strict=True))


def run(panel: Panel) -> Backtest:
    """Simulate all scores and both baselines on the panel's dates.

    Raises BuildError when no week was scored by a model, SimulationError when a held
    coin has no open.
    """
    config = panel.config.backtest
    weeks = rebalance_dates(panel.dates)
    scored = pipeline.rank_history(panel, target=panel.config.labels.target, only=weeks)
    by_date = {rows["date"][0]: rows for rows in scored.partition_by("date")}
    seen: list[date] = scored.filter(pl.col("model_windows").is_not_null())[
        "date"
    ].to_list()
    if not seen:
        raise BuildError("no week has scores from trained models; load more history")
    signals = [day for day in weeks if day >= min(seen)]
    dates, symbols, opens = _opens(panel)
    place = {day: row for row, day in enumerate(dates)}
    start = place[signals[0]] + config.signal_lag_days
    if start >= len(dates):
        raise BuildError("the first signal comes after the last date")
    _check_calendar(dates[start:])
    column = {symbol: n for n, symbol in enumerate(symbols)}

    def follow(weights: Mapping[date, Weights]) -> Path:
        targets = {}
        for day, wanted in weights.items():
            row = place[day] + config.signal_lag_days
            if row < len(dates):
                target = np.zeros(len(symbols))
                for symbol, weight in wanted.items():
                    target[column[symbol]] = weight
                targets[row - start] = target
        try:
            return simulator.simulate(opens[start:], targets, config.cost_rate)
        except SimulationError as error:
            if error.column < 0:
                raise
            raise SimulationError(
                f"{symbols[error.column]} has no open on {dates[start + error.row]}, "
                "and is held or traded then; complete its candles, or exclude it"
            ) from None

    def members(day: date) -> list[str]:
        return by_date[day]["symbol"].to_list() if day in by_date else []

    paths = {
        score: follow(
            {
                day: select(by_date[day], score, config) if day in by_date else {}
                for day in signals
            }
        )
        for score in SCORES
    }
    paths["universe_equal"] = follow(
        {day: {s: 1 / len(members(day)) for s in members(day)} for day in signals}
    )
    paths["hold_btc"] = follow({signals[0]: {BENCHMARK: 1.0}})
    return Backtest(tuple(dates[start:]), tuple(symbols), paths)


def _check_calendar(dates: list[date]) -> None:
    for before, day in pairwise(dates):
        if day - before != timedelta(days=1):
            raise BuildError(
                f"no symbol has a candle on {before + timedelta(days=1)}: a return "
                f"from {before} to {day} would pass for one day's; backfill that day"
            )


def _opens(panel: Panel) -> tuple[list[date], list[str], Array]:
    wide = panel.rows.pivot("symbol", index="date", values="open").sort("date")
    symbols = sorted(c for c in wide.columns if c != "date")
    matrix = wide.select(symbols).fill_null(np.nan).to_numpy().astype(np.float64)
    return wide["date"].to_list(), symbols, matrix
