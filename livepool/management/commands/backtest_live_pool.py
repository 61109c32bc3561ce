from pathlib import Path
from typing import Any

import polars as pl
from django.core.management.base import BaseCommand, CommandParser

from core.files import write_file
from core.texts import counted
from livepool.backtest import backtest, equity_charts
from livepool.backtest.simulator import METRICS
from livepool.management.commands._pool import (
    add_inputs,
    folder_of,
    inputs,
)
from livepool.release import build


class Command(BaseCommand):
    help = "Backtest the ranking: weekly top 3, inverse volatility, next open, 15 bps."

    def add_arguments(self, parser: CommandParser) -> None:
        add_inputs(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        panel = build.panel(**inputs(options))
        done = backtest.run(panel)
        mode = panel.mode
        folder = folder_of(options) / "backtest" / mode
        self._write(done, folder)
        self.stdout.write(
            f"{done.dates[0]} to {done.dates[-1]}, "
            f"{counted(len(done.dates), 'day')}, {mode}"
        )
        names = ("strategy", *METRICS)
        self.stdout.write(" | ".join(names))
        for row in done.summary().iter_rows(named=True):
            numbers = (f"{row[name]:.4f}" for name in METRICS)
            self.stdout.write(" | ".join([row["strategy"], *numbers]))
        self.stdout.write(f"Files in {folder}")

    def _write(self, done: backtest.Backtest, folder: Path) -> None:
        labels = [day.isoformat() for day in done.dates]
        equity = {name: path.equity.tolist() for name, path in done.paths.items()}
        drawdown = {name: path.drawdown.tolist() for name, path in done.paths.items()}
        files = {
            "performance_summary.csv": done.summary().write_csv(),
            "equity.csv": done.equity().write_csv(),
            "holdings.csv": _holdings(done).write_csv(),
            "equity.svg": equity_charts.lines(equity, labels, title="Equity"),
            "drawdown.svg": equity_charts.lines(
                drawdown, labels, title="Drawdown", percent=True
            ),
        }
        for name, text in files.items():
            write_file(folder / name, text)


def _holdings(done: backtest.Backtest) -> pl.DataFrame:
    """Return the final score's weights after trading, on the days with a trade."""
    path = done.paths["final_score"]
    rows = [
        (done.dates[n], symbol, weight)
        for n in path.turnover.nonzero()[0]
        for symbol, weight in zip(done.symbols, path.weights[n].tolist(), strict=True)
        if weight > 0
    ]
    schema = {"date": pl.Date, "symbol": pl.String, "weight": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
