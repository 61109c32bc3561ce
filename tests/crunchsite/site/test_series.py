"""Series over time: means, gaps, one grid."""

from datetime import timedelta

import numpy as np
import pytest

from competitions.contract import CrunchConfig
from competitions.models import Competition
from competitions.shared.window_rule import Summing
from competitions.slots import wire
from competitions.trading.trading_rules import TradingRules
from crunchsite.site.series import (
    Series,
    model_series,
    on_one_grid,
    points_of,
    recent,
    rolling,
)
from scoring.cycle import run_cycle
from scoring.models import Score, Snapshot
from tests.conftest import NOW
from tests.crunchsite.conftest import HOUR, START, series
from tests.scoring.conftest import MINUTE
from tests.scoring.conftest import START as MARKET_START
from tests.scoring.conftest import competition as competition  # noqa: PLC0414  a fixture
from tests.scoring.factories import make_models, make_round, put_candles

RULES = TradingRules()


def test_a_rolling_mean_weighs_by_count_over_a_half_open_window():
    points = [
        (1, START + i * HOUR, v, n)
        for i, (v, n) in enumerate([(1.0, 1), (4.0, 2), (7.0, 1)])
    ]
    rolled = rolling(points, 2 * HOUR)[1]
    assert rolled.value.tolist() == [1.0, 3.0, 5.0]


def test_unknown_values_weigh_nothing_and_an_empty_window_is_unknown():
    points = [
        (1, START, 2.0, 3),
        (1, START + HOUR, None, 0),
        (1, START + 2 * HOUR, None, 5),
    ]
    rolled = rolling(points, 2 * HOUR)[1]
    assert rolled.value[:2].tolist() == [2.0, 2.0]
    assert np.isnan(rolled.value[2])


def test_means_of_the_very_first_scores_are_left_out():
    points = [(1, START + i * HOUR, v, 1) for i, v in enumerate([90.0, *[1.0] * 39])]
    rolled = rolling(points, 100 * HOUR)[1]
    assert np.isnan(rolled.value).tolist() == [True] * 3 + [False] * 37
    assert np.nanmax(rolled.value) == (90 + 3) / 4


@pytest.mark.parametrize("huge", [1e17, -1e60])
@pytest.mark.parametrize("summing", [Summing.MEAN_OF_SCORES, Summing.TOTAL])
def test_a_huge_value_that_has_left_the_window_leaves_nothing_behind(huge, summing):
    values = [0.5, huge, 0.25, 0.5, None, 0.75]
    points = [(1, START + i * HOUR, v, 1) for i, v in enumerate(values)]
    assert rolling(points, HOUR, summing)[1].value.tolist()[2:] == [
        *(0.25, 0.5),
        pytest.approx(float("nan"), nan_ok=True),
        0.75,
    ]


def test_a_series_without_a_known_value_is_left_out():
    assert recent(
        {1: series(None, None), 2: series(None, 1.0)}, START + 2 * HOUR
    ).keys() == {2}


def test_one_grid_has_gaps_where_a_series_is_silent():
    late = Series(at=np.array([(START + HOUR).timestamp()]), value=np.array([5.0]))
    grid, table = on_one_grid([series(1.0, 2.0), late])
    assert len(grid) == 2
    assert table == [[1.0, 2.0], [None, 5.0]]


def test_a_rolling_total_adds_up_and_counts_silent_periods():
    values = [(5.0, 3), (-8.0, 0), (None, 2), (1.0, 9)]
    points = [(1, START + i * HOUR, v, n) for i, (v, n) in enumerate(values)]
    rolled = rolling(points, 2 * HOUR, Summing.TOTAL)[1]
    assert rolled.value.tolist() == [5.0, -3.0, -8.0, 1.0]
    assert np.isnan(rolling(points, HOUR, Summing.TOTAL)[1].value[2])


@pytest.mark.parametrize(
    ("contract", "drawn"),
    [
        ({}, 2.0),
        ({"aggregate_snapshot": lambda results: {}}, 70.0),
        ({"trading": RULES}, 70.0),
    ],
)
def test_a_young_chart_shows_the_figure_of_the_board(
    competition, monkeypatch, contract, drawn
):
    """Means of scores stand in for snapshots, where these are means of scores."""
    [model] = make_models(competition, "m")
    put_candles(MARKET_START - MINUTE, [100, 110])
    round_ = make_round(competition, MARKET_START, {model: 1.0})
    run_cycle(competition_id=competition.pk)
    Score.objects.filter(prediction__round=round_).update(value=2.0)
    Snapshot.objects.update(value=70.0)
    monkeypatch.setattr(
        "crunchsite.site.series.shown_wiring",
        lambda competition: wire(CrunchConfig(**contract), {}),
    )
    points, _ = points_of(competition, [model.pk], NOW + MINUTE, HOUR)
    assert [value for _, _, value, _ in points] == [drawn]


def test_a_period_that_has_just_begun_is_not_mixed_with_the_one_before(competition):
    [model] = make_models(competition, "m")
    begun = NOW.replace(minute=0, second=0, microsecond=0)
    for start, value, is_closed in ((begun - HOUR, 1.0, True), (begun, 4.0, False)):
        Snapshot.objects.create(
            model=model,
            period_start=start,
            period_end=start + HOUR,
            value=value,
            prediction_count=1,
            expected_count=1,
            is_closed=is_closed,
            created_at=begun,
            updated_at=begun,
        )
    Competition.objects.update(activated_at=begun - 100 * HOUR)
    model.competition.refresh_from_db()
    lines, _ = model_series(model, begun + timedelta(milliseconds=300), 24 * HOUR)
    assert lines["Each period"].value.tolist() == [1.0, 4.0]
    assert lines["Rolling mean"].value.tolist() == [1.0, 2.5]
