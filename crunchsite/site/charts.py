"""Compute the geometry of SVG charts; the templates have the markup.

A plot is 1000 x 1000 units, stretched to the available space; strokes do not scale.
Labels are outside, positioned in percent, so that text keeps its size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from crunchsite.site.series import Series, on_one_grid

SIZE = 1000
LEFT = 45  # room for the labels of the value axis
SPARK_WIDTH, SPARK_HEIGHT, SPARK_PAD = 120, 28, 3
HEIGHT_PX = 260
LABEL_GAP_PX = 17
TIME_STEPS = [
    timedelta(seconds=s)
    for s in (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
] + [timedelta(days=d) for d in (2, 7, 28, 91, 364)]


@dataclass(frozen=True)
class Spark:
    path: str
    x: float
    y: float


@dataclass(frozen=True)
class Tick:
    """A label and its position, in percent of the plot."""

    label: str
    place: float
    is_zero: bool = False


@dataclass
class ChartLine:
    """A line; `tone` 1..6 is highlighted, 0 is in the background."""

    name: str
    path: str
    tone: int
    end: float
    label: float = 0.0
    url: str = ""


@dataclass(frozen=True)
class Chart:
    lines: list[ChartLine]
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    height: int = field(default=HEIGHT_PX)


def spark(series: Series) -> Spark | None:
    """Draw a row's small line on its own scale; None with fewer than two values."""
    known = ~np.isnan(series.value)
    if known.sum() < 2:
        return None
    at, value = series.at[known], series.value[known]
    x = _scale(at, at[0], at[-1], 0, SPARK_WIDTH - SPARK_PAD)
    low, high = _roomy(float(value.min()), float(value.max()))
    y = _scale(value, low, high, SPARK_HEIGHT - SPARK_PAD, SPARK_PAD)
    return Spark(path=_path(x, y), x=round(float(x[-1]), 1), y=round(float(y[-1]), 1))


def line_chart(
    series: Sequence[tuple[str, str, Series]], *, tones: int = 5
) -> Chart | None:
    """Draw `(name, url, series)`, the most important first; None without two instants.

    The first `tones` get a colour and a label at the right end.
    """
    values = [s.value[~np.isnan(s.value)] for _, _, s in series]
    flat = np.concatenate(values) if values else np.array([])
    instants = np.concatenate([s.at for _, _, s in series]) if series else flat
    if len(flat) == 0 or len(np.unique(instants)) < 2:
        return None
    low, high = _roomy(float(flat.min()), float(flat.max()))
    left, right = float(instants.min()), float(instants.max())
    lines = []
    for i, (name, url, own) in enumerate(series):
        known = ~np.isnan(own.value)
        if not known.any():
            continue
        x = _scale(own.at, left, right, LEFT, SIZE)
        y = _scale(own.value, low, high, SIZE, 0)
        end = float(y[known][-1]) / SIZE * 100
        tone = i + 1 if i < tones else 0
        lines.append(
            ChartLine(
                name=name, url=url, path=_path(x, y), tone=tone, end=round(end, 2)
            )
        )
    _spread_labels([line for line in lines if line.tone])
    return Chart(
        lines=lines[::-1],  # the best are drawn last, on top
        y_ticks=_value_ticks(low, high),
        x_ticks=_time_ticks(left, right),
    )


def _roomy(low: float, high: float) -> tuple[float, float]:
    """Return a range with a margin, which is never empty."""
    air = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return low - air, high + air


def _scale(
    values: np.ndarray, low: float, high: float, start: float, end: float
) -> np.ndarray:
    return start + (values - low) / ((high - low) or 1.0) * (end - start)


def _path(x: np.ndarray, y: np.ndarray) -> str:
    """Return path data; an unknown value interrupts the line.

    A line begins with one of no length, so that a value alone is a dot.
    """
    parts, pen_down = [], False
    for px, py in zip(x.tolist(), y.tolist(), strict=True):
        if math.isnan(py):
            pen_down = False
            continue
        parts.append(f"L{px:.1f} {py:.1f}" if pen_down else f"M{px:.1f} {py:.1f}h0")
        pen_down = True
    return "".join(parts)


def _value_ticks(low: float, high: float, wanted: int = 4) -> list[Tick]:
    """Return ticks at round numbers: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / wanted
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if rough <= m * power)
    decimals = max(0, -math.floor(math.log10(step)))
    ticks = []
    for i in range(math.ceil(low / step), math.floor(high / step) + 1):
        value = i * step
        label = f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")
        place = 100 - (value - low) / (high - low) * 100
        if place >= 7:  # the label is above its line and must fit in
            ticks.append(Tick(label=label, place=round(place, 2), is_zero=i == 0))
    return ticks


def _time_ticks(left: float, right: float, most: int = 6) -> list[Tick]:
    """Return ticks at round instants in UTC, with the date where a day begins."""
    span = timedelta(seconds=right - left)
    step = next((s for s in TIME_STEPS if span / s <= most), TIME_STEPS[-1])
    step_s = step.total_seconds()
    ticks = []
    for i in range(math.ceil(left / step_s), math.floor(right / step_s) + 1):
        instant = datetime.fromtimestamp(i * step_s, UTC)
        midnight = (instant.hour, instant.minute) == (0, 0)
        ticks.append(
            Tick(
                label=f"{instant:%d %b}" if midnight else f"{instant:%H:%M}",
                place=round(_place(i * step_s, left, right), 2),
            )
        )
    return [t for t in ticks if 8 <= t.place <= 96]


def _place(at: float, left: float, right: float) -> float:
    return (LEFT + (at - left) / (right - left) * (SIZE - LEFT)) / SIZE * 100


def _spread_labels(lines: list[ChartLine]) -> None:
    """Move labels apart, from top to bottom, and keep them inside the plot."""
    gap = LABEL_GAP_PX / HEIGHT_PX * 100
    ordered = sorted(lines, key=lambda line: line.end)
    floor = -math.inf
    for line in ordered:
        line.label = floor = max(line.end, floor + gap, gap / 2)
    ceiling = 100 - gap / 4
    for line in reversed(ordered):
        line.label = round(min(line.label, ceiling), 2)
        ceiling = line.label - gap


def series_rows(
    series: Sequence[Series], *, most: int
) -> list[tuple[datetime, list[float | None]]]:
    """Return a chart as a table: up to `most` evenly chosen instants, newest first."""
    grid, table = on_one_grid(series)
    step = max(1, math.ceil(len(grid) / most))
    return [
        (datetime.fromtimestamp(grid[i], UTC), [values[i] for values in table])
        for i in range(len(grid) - 1, -1, -step)
    ]
