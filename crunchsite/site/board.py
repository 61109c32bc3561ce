"""Prepare the newest board for the public pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from competitions.models import Competition, ParticipantModel
from competitions.report_schema import report_schema
from competitions.wiring import shown_wiring
from core.texts import counted
from crunchsite.site.charts import Chart, Spark, line_chart, series_rows, spark
from crunchsite.site.series import (
    Series,
    points_of,
    recent,
    rolling,
    summed_as,
    summing_of_values,
)
from scoring.models import Leaderboard, LeaderboardEntry

PAGE_ROWS = 100
MOST_COLUMNS = 6
LINES = 12
TONES = 5
TABLE_ROWS = 12


@dataclass(frozen=True)
class BoardColumn:
    key: str
    label: str
    tooltip: str
    decimals: int


@dataclass(frozen=True)
class Row:
    entry: LeaderboardEntry
    cells: list[tuple[BoardColumn, float | None]]
    coverage: float | None
    spark: Spark | None
    tone: int

    @property
    def model(self) -> ParticipantModel:
        return self.entry.model


@dataclass(frozen=True)
class Board:
    """A page of the ranking, with its columns and its chart."""

    newest: Leaderboard
    columns: list[BoardColumn]
    rows: list[Row]
    chart: Chart | None
    chart_names: list[str]
    chart_rows: list[Any]
    window: timedelta
    summed_as: str
    following: int | None

    @property
    def ranking(self) -> BoardColumn:
        key = self.newest.ranking_key
        return next(c for c in self.columns if c.key == key)


def window_of(competition: Competition, ranking_key: str) -> timedelta:
    """Return the window of the ranking, for charts and coverage."""
    windows = shown_wiring(competition).config.aggregation.windows
    if ranking_key in windows:
        return timedelta(hours=windows[ranking_key].hours)
    return min(timedelta(hours=w.hours) for w in windows.values())


def columns_of(competition: Competition, ranking_key: str) -> list[BoardColumn]:
    """Return the value columns of the report schema, always including the ranking's."""
    described = report_schema(competition)["leaderboard_columns"]
    windows = shown_wiring(competition).config.aggregation.windows
    span = f"Over the last {min(window.hours for window in windows.values())} h."
    columns = [
        BoardColumn(
            key=column["property"],
            label=column["displayName"],
            tooltip=column.get("tooltip") or ""
            if column["property"] in windows
            else f"{column.get('tooltip') or ''} {span}".strip(),
            decimals=_decimals(column.get("format")),
        )
        for column in sorted(described, key=lambda c: c["order"])
        if column["type"] == "VALUE"
    ][:MOST_COLUMNS]
    if ranking_key not in {column.key for column in columns}:
        label = ranking_key.replace("_", " ").title()
        columns.insert(0, BoardColumn(ranking_key, label, "", 2))
    return columns


def _decimals(format_name: str | None) -> int:
    digits = (format_name or "decimal-2").removeprefix("decimal-")
    return int(digits) if digits.isdigit() else 2


def board_of(competition: Competition, *, after: int = 0) -> Board | None:
    """Return the newest board's rows after position `after`; None without a board."""
    newest = Leaderboard.objects.filter(competition=competition, is_newest=True).first()
    if newest is None:
        return None
    found = list(
        newest.entries.filter(position__gt=after, model__is_virtual=False)
        .select_related("model__cruncher")
        .order_by("position", "pk")[: PAGE_ROWS + 1]
    )
    entries = found[:PAGE_ROWS]
    window = window_of(competition, newest.ranking_key)
    columns = columns_of(competition, newest.ranking_key)
    models = [entry.model_id for entry in entries]
    points, _ = points_of(competition, models, newest.as_of, window)
    summing = summing_of_values(competition)
    series = recent(rolling(points, window, summing), newest.as_of)
    leading = [e for e in entries if e.model.excluded_at is None]
    drawn = [e for e in leading if e.model_id in series][:LINES]
    return Board(
        newest=newest,
        columns=columns,
        rows=_rows(entries, columns, newest, series, drawn[:TONES]),
        chart=line_chart(
            [(e.model.name, e.model.model_id, series[e.model_id]) for e in drawn],
            tones=TONES,
        ),
        chart_names=[entry.model.name for entry in drawn],
        chart_rows=series_rows([series[e.model_id] for e in drawn], most=TABLE_ROWS),
        window=window,
        summed_as=summed_as(competition),
        following=entries[-1].position if len(found) > PAGE_ROWS else None,
    )


def _rows(
    entries: Sequence[LeaderboardEntry],
    columns: list[BoardColumn],
    board: Leaderboard,
    series: dict[int, Series],
    toned: Sequence[LeaderboardEntry],
) -> list[Row]:
    tones = {entry.pk: tone for tone, entry in enumerate(toned, start=1)}
    return [
        Row(
            entry=entry,
            cells=[(column, entry.metrics.get(column.key)) for column in columns],
            coverage=coverage_of(entry, board.ranking_key),
            spark=spark(series[entry.model_id]) if entry.model_id in series else None,
            tone=tones.get(entry.pk, 0),
        )
        for entry in entries
    ]


def basis_of(entry: LeaderboardEntry, figure: str) -> str:
    """Return how much data a figure is based on, in words; empty if unknown."""
    count, facts = entry.counts.get(figure), entry.leaderboard.figures.get(figure)
    if count is None or facts is None:
        return ""
    mean = ", mean of its snapshots" if facts["is_mean_of_snapshots"] else ""
    some = counted(count, facts["unit"].removesuffix("s"))
    return f"{some} in {facts['hours']} h{mean}"


def coverage_of(entry: LeaderboardEntry, ranking_key: str) -> float | None:
    """Return the scored share of the ranking window's rounds; None if none ended.

    A ranking figure that is no window covers the shortest one.
    """
    figures = entry.leaderboard.figures
    hours = {name: figures.get(name, {}).get("hours", 0) for name in entry.samples}
    shortest = min(hours, key=lambda name: hours[name], default="")
    samples = entry.samples.get(ranking_key if ranking_key in hours else shortest)
    if not samples or not samples["expected"]:
        return None
    share: float = samples["count"] / samples["expected"]
    return min(1.0, share)
