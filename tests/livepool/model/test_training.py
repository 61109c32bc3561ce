from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

from livepool.model import training
from livepool.model.features import MODEL_FEATURES
from livepool.model.parameters import ModelConfig

FIRST = date(2026, 1, 1)
WINDOW = training.Window(
    train_start=FIRST,
    train_end=FIRST + timedelta(days=9),
    known_by=FIRST + timedelta(days=19),
    test_start=FIRST + timedelta(days=20),
    test_end=FIRST + timedelta(days=20),
)
MODELS = replace(ModelConfig(), trees=1, min_train_rows=10)


def members(**changes):
    """A coin's rows: one of each day of training, and the one to be scored."""
    days = [*range(10), 20]
    rows = pl.DataFrame(
        {
            "date": [FIRST + timedelta(days=day) for day in days],
            "symbol": ["ADAUSDT"] * len(days),
            "blended_target": [day / 10 for day in range(10)] + [None],
            "label_end": [FIRST + timedelta(days=day + 10) for day in days],
            **{name: [float(day) for day in days] for name in MODEL_FEATURES},
        }
    )
    first = pl.col("date") == FIRST
    return rows.with_columns(
        pl.when(first).then(value).otherwise(pl.col(name)).alias(name)
        for name, value in changes.items()
    )


def test_the_day_after_the_labels_are_known_is_scored():
    found = training.predict(members(), WINDOW, MODELS)
    assert found.select("date", "symbol", "model_windows").rows() == [
        (WINDOW.test_start, "ADAUSDT", 1)
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"label_end": pl.lit(WINDOW.known_by + timedelta(days=1))},
        {"label_end": pl.lit(None, dtype=pl.Date)},
        {"blended_target": pl.lit(None, dtype=pl.Float64)},
        {"date": pl.lit(FIRST - timedelta(days=1))},
        {"date": pl.lit(WINDOW.train_end + timedelta(days=1))},
    ],
)
def test_a_row_that_was_not_known_by_then_is_not_learnt_from(changes):
    """Nine rows are left, and ten are needed."""
    assert training.predict(members(**changes), WINDOW, MODELS).is_empty()


def test_a_row_that_was_just_known_by_then_is_learnt_from():
    rows = members(label_end=pl.lit(WINDOW.known_by))
    assert training.predict(rows, WINDOW, MODELS).height == 1
