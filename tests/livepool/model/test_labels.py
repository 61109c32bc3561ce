from datetime import date

import polars as pl
import pytest

from livepool.model.labels import with_labels
from livepool.model.parameters import LabelConfig

CONFIG = LabelConfig(horizons=(1, 2), top_k=1, blend={1: 0.75, 2: 0.25})
CLOSES = {
    "ADAUSDT": [100.0, 110.0, 99.0],
    "BCHUSDT": [50.0, 50.0, 100.0],
    "XRPUSDT": [1.0, 9.0, 99.0],  # the best, and no member
}


@pytest.fixture
def labelled():
    rows = pl.DataFrame(
        [
            {
                "symbol": symbol,
                "date": date(2026, 3, 1 + day),
                "close": close,
                "in_universe": symbol != "XRPUSDT",
            }
            for symbol, closes in CLOSES.items()
            for day, close in enumerate(closes)
        ]
    )
    return with_labels(rows, CONFIG)


def of(rows, symbol, column):
    values = rows.filter(pl.col("symbol") == symbol)[column].to_list()
    return [None if value is None else round(value, 12) for value in values]


def test_a_future_return_is_from_the_days_close_to_that_of_the_horizon(labelled):
    assert of(labelled, "ADAUSDT", "future_return_1") == [0.1, -0.1, None]
    assert of(labelled, "ADAUSDT", "future_return_2") == [-0.01, None, None]
    assert of(labelled, "BCHUSDT", "future_return_1") == [0.0, 1.0, None]


def test_ranks_are_among_the_members_of_the_day(labelled):
    assert of(labelled, "ADAUSDT", "future_rank_pct_1") == [1.0, 0.5, None]
    assert of(labelled, "BCHUSDT", "future_rank_pct_1") == [0.5, 1.0, None]
    assert of(labelled, "XRPUSDT", "future_rank_pct_1") == [None] * 3
    assert of(labelled, "ADAUSDT", "future_topk_label_1") == [1.0, 0.0, None]


def test_an_unknown_horizon_counts_nothing_at_full_weight(labelled):
    assert of(labelled, "ADAUSDT", "blended_target") == [0.875, 0.375, None]
    assert of(labelled, "BCHUSDT", "blended_target") == [0.625, 0.75, None]
