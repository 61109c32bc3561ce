"""Choose the rows that models learn from, so that no label looks ahead.

A label of a date is complete only `purge_days` dates later, and a rank also depends on
the other coins' returns. Training therefore ends that many dates before the first
scored date, and a row counts only if all labels of its date were complete by then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from livepool.model import regressors
from livepool.model.features import GRID, MODEL_FEATURES
from livepool.model.parameters import LabelConfig, ModelConfig

PREDICTIONS = {
    "date": pl.Date,
    "symbol": pl.String,
    "linear_score_raw": pl.Float64,
    "ml_score_raw": pl.Float64,
    "model_windows": pl.Int64,
}


@dataclass(frozen=True)
class Window:
    """Learn from `[train_start, train_end]`, score `[test_start, test_end]`.

    Only rows whose labels were known on `known_by` count.
    """

    train_start: date
    train_end: date
    known_by: date
    test_start: date
    test_end: date


def live_window(
    dates: Sequence[date], labels: LabelConfig, models: ModelConfig
) -> Window | None:
    """Return the window that scores the last date; None with nothing before it."""
    end = len(dates) - 1 - labels.purge_days
    if end < 0:
        return None
    start = max(0, end - models.train_dates + 1)
    return Window(dates[start], dates[end], dates[-1], dates[-1], dates[-1])


def walk_forward_windows(
    dates: Sequence[date], labels: LabelConfig, models: ModelConfig
) -> list[Window]:
    """Return windows that step through `dates`; tests may overlap."""
    windows = []
    cursor = models.train_dates
    while cursor < len(dates):
        last = min(cursor + models.test_dates, len(dates)) - 1
        windows.append(
            Window(
                train_start=dates[cursor - models.train_dates],
                train_end=dates[cursor - labels.purge_days - 1],
                known_by=dates[cursor - 1],
                test_start=dates[cursor],
                test_end=dates[last],
            )
        )
        if last == len(dates) - 1:
            break
        cursor += models.step_dates
    return windows


def with_label_ends(panel: pl.DataFrame, labels: LabelConfig) -> pl.DataFrame:
    """Add `label_end`: when the last label of any member of the row's date was known.

    `panel` is sorted by symbol and date. Outcomes that never came (a delisted coin)
    leak nothing and do not count.
    """
    own = pl.max_horizontal(
        pl.col("date").shift(-horizon).over("symbol") for horizon in labels.horizons
    )
    return panel.with_columns(
        pl.when("in_universe").then(own).alias("label_end")
    ).with_columns(pl.col("label_end").max().over("date"))


def predict(members: pl.DataFrame, window: Window, models: ModelConfig) -> pl.DataFrame:
    """Predict the members of one window's test dates.

    `members` are in-universe rows with features, `blended_target` and `label_end`.
    Fewer training rows than `min_train_rows` give no predictions (an empty frame).
    """
    rows = members.sort("date", "symbol")
    train = rows.filter(
        pl.col("date").is_between(window.train_start, window.train_end)
        & pl.col("blended_target").is_not_null()
        & (pl.col("label_end") <= window.known_by)
    )
    score = rows.filter(pl.col("date").is_between(window.test_start, window.test_end))
    if train.height < models.min_train_rows or score.is_empty():
        return pl.DataFrame(schema=PREDICTIONS)
    x, z = regressors.impute(_matrix(train), _matrix(score))
    y = train["blended_target"].to_numpy().astype(np.float64)
    return score.select("date", "symbol").with_columns(
        pl.Series("linear_score_raw", regressors.ridge(x, y, z, models)),
        pl.Series("ml_score_raw", regressors.trees(x, y, z, models)),
        pl.lit(1, dtype=pl.Int64).alias("model_windows"),
    )


def walk_forward(
    members: pl.DataFrame,
    dates: Sequence[date],
    labels: LabelConfig,
    models: ModelConfig,
) -> pl.DataFrame:
    """Predict all windows out of sample, averaged where tests overlap."""
    parts = [
        predict(members, window, models)
        for window in walk_forward_windows(dates, labels, models)
    ]
    if not parts:
        return pl.DataFrame(schema=PREDICTIONS)
    return (
        pl.concat(parts)
        .group_by("date", "symbol", maintain_order=True)
        .agg(
            pl.col("linear_score_raw", "ml_score_raw").mean(),
            pl.col("model_windows").sum(),
        )
        .sort("date", "symbol")
    )


def _matrix(rows: pl.DataFrame) -> regressors.Array:
    """Return the models' inputs on a grid: equal values fall in one bin."""
    return (
        rows.select(pl.col(MODEL_FEATURES).cast(pl.Float64).round(GRID))
        .fill_null(np.nan)
        .to_numpy(order="fortran")
        .copy(order="C")
    )
