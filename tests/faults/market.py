"""A small recorded market, the same each time, and models whose answers follow it."""

import math
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

import numpy as np
import polars as pl

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
# The site's clock starts after three hours of history, half an hour before a period of
# emissions ends.
START = datetime(2026, 1, 5, 3, 30, tzinfo=UTC)
HOURS = 16

MODELS = {
    "last": "(closes[-1] / closes[-2] - 1) * 10_000",
    "mean": "(fmean(closes[-10:]) / closes[-1] - 1) * 10_000",
}
_SOURCE = """
from statistics import fmean

from tracker import TrackerBase


class Model(TrackerBase):
    def predict(self, subject, *args):
        closes = self.closes(subject)
        return {{"value": {formula}}}
"""


def write_market(path: Path) -> dict[int, float]:
    """Write minute candles; returns each candle's close by its opening (epoch s)."""
    rng = np.random.default_rng(20260105)
    minutes = HOURS * 60
    closes = np.round(50_000 * np.exp(np.cumsum(rng.normal(0, 4e-4, minutes))), 2)
    opens = np.concatenate([[50_000.0], closes[:-1]])
    at = [int(FIRST.timestamp()) + 60 * i for i in range(minutes)]
    pl.DataFrame(
        {
            "ts": at,
            "open": opens,
            "high": np.maximum(opens, closes) + 1,
            "low": np.minimum(opens, closes) - 1,
            "close": closes,
            "volume": np.ones(minutes),
        }
    ).write_parquet(path)
    return dict(zip(at, closes.tolist(), strict=True))


def write_models(folder: Path) -> None:
    for name, formula in MODELS.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "main.py").write_text(_SOURCE.format(formula=formula))


def answer_of(model: str, closes: list[float]) -> float:
    """What the model must answer when it is shown these closes."""
    if model == "last":
        return (closes[-1] / closes[-2] - 1) * 10_000
    return (fmean(closes[-10:]) / closes[-1] - 1) * 10_000


def return_between(
    market: dict[int, float], start: datetime, end: datetime
) -> tuple[float, float]:
    """The prices at both instants: of the last candle that had closed by then."""
    entry, resolved = (
        market[math.floor(at.timestamp() / 60) * 60 - 60] for at in (start, end)
    )
    return entry, resolved
