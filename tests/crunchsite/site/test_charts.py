"""Rolling means against hand-computed ones, and geometry that stays inside."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crunchsite.site.charts import SIZE, line_chart, series_rows, spark
from tests.crunchsite.conftest import HOUR, START, series


def test_a_chart_needs_two_instants():
    assert line_chart([]) is None
    assert line_chart([("a", "", series(1.0))]) is None
    assert line_chart([("a", "", series(None, None))]) is None
    assert spark(series(1.0, None)) is None


def test_an_unknown_value_interrupts_the_line():
    chart = line_chart([("a", "", series(1.0, 2.0, None, 3.0, 4.0))])
    assert chart.lines[0].path.count("M") == 2


def test_a_value_between_unknown_ones_is_a_dot():
    """A path that only moves draws nothing, and its label stands beside no line."""
    chart = line_chart([("a", "", series(None, 1.0, None, 2.0, 3.0))])
    dot, line = re.findall(r"M[^M]+", chart.lines[0].path)
    assert re.fullmatch(r"M[\d.]+ [\d.]+h0", dot)
    assert line.count("L") == 1


def test_the_zero_line_is_marked_and_labels_keep_apart():
    chart = line_chart([(str(i), "", series(-1.0, 0.5 + i / 1000)) for i in range(5)])
    assert [t.label for t in chart.y_ticks if t.is_zero] == ["0.0"]
    places = sorted(line.label for line in chart.lines)
    assert min(np.diff(places)) > 6


def test_a_chart_as_a_table_is_bounded_and_newest_first():
    rows = series_rows([series(*range(50))], most=12)
    assert len(rows) <= 12
    assert rows[0] == (START + 49 * HOUR, [49])


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=40))
def test_every_point_lies_inside_the_plot(values):
    chart = line_chart([("a", "", series(*values))])
    numbers = [float(n) for n in re.findall(r"-?\d+\.\d", chart.lines[0].path)]
    assert all(0 <= n <= SIZE for n in numbers)
