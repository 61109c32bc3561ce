"""Rolling means against hand-computed ones, and geometry that stays inside."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crunchsite.site.charts import SIZE, line_chart, series_rows, spark
from crunchsite.site.series import Series, on_one_grid, recent, rolling

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def series(*values: float | None) -> Series:
    at = np.array([(START + i * HOUR).timestamp() for i in range(len(values))])
    return Series(at=at, value=np.array([np.nan if v is None else v for v in values]))


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


def test_a_chart_needs_two_instants():
    assert line_chart([]) is None
    assert line_chart([("a", "", series(1.0))]) is None
    assert line_chart([("a", "", series(None, None))]) is None
    assert spark(series(1.0, None)) is None


def test_an_unknown_value_interrupts_the_line():
    chart = line_chart([("a", "", series(1.0, 2.0, None, 3.0, 4.0))])
    assert chart.lines[0].path.count("M") == 2


def test_the_zero_line_is_marked_and_labels_keep_apart():
    chart = line_chart([(str(i), "", series(-1.0, 0.5 + i / 1000)) for i in range(5)])
    assert [t.label for t in chart.y_ticks if t.is_zero] == ["0.0"]
    places = sorted(line.label for line in chart.lines)
    assert min(np.diff(places)) > 6


def test_a_chart_as_a_table_is_bounded_and_newest_first():
    rows = series_rows([series(*range(50))], most=12)
    assert len(rows) <= 12
    assert rows[0] == (START + 49 * HOUR, [49])


def test_one_grid_has_gaps_where_a_series_is_silent():
    late = Series(at=np.array([(START + HOUR).timestamp()]), value=np.array([5.0]))
    grid, table = on_one_grid([series(1.0, 2.0), late])
    assert len(grid) == 2
    assert table == [[1.0, 2.0], [None, 5.0]]


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=40))
def test_every_point_lies_inside_the_plot(values):
    chart = line_chart([("a", "", series(*values))])
    numbers = [float(n) for n in re.findall(r"-?\d+\.\d", chart.lines[0].path)]
    assert all(0 <= n <= SIZE for n in numbers)
