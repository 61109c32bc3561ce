"""Series over time: means, gaps, one grid."""

import numpy as np

from crunchsite.site.series import Series, on_one_grid, recent, rolling
from tests.crunchsite.conftest import HOUR, START, series


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


def test_a_series_without_a_known_value_is_left_out():
    assert recent(
        {1: series(None, None), 2: series(None, 1.0)}, START + 2 * HOUR
    ).keys() == {2}


def test_one_grid_has_gaps_where_a_series_is_silent():
    late = Series(at=np.array([(START + HOUR).timestamp()]), value=np.array([5.0]))
    grid, table = on_one_grid([series(1.0, 2.0), late])
    assert len(grid) == 2
    assert table == [[1.0, 2.0], [None, 5.0]]
