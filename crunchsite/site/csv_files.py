"""Export the figures of the public pages as CSV files."""

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header

from core.clock import iso_z
from core.texts import csv_cell
from crunchsite.site.asked import after_of, chosen, required, shown_model
from crunchsite.site.board import board_of, columns_of, window_of
from crunchsite.site.frame import public
from crunchsite.site.series import (
    Series,
    model_series,
    on_one_grid,
    points_of,
    recent,
    rolling,
    summing_of_values,
)
from scoring.models import Leaderboard


@public
def leaderboard_csv(request: HttpRequest) -> HttpResponse:
    """Return the whole newest board: one row per model; an unknown value is empty."""
    competition = required(chosen(request))
    board = Leaderboard.objects.filter(competition=competition, is_newest=True).first()
    columns = columns_of(competition, board.ranking_key) if board else []
    entries = (
        board.entries.filter(model__is_virtual=False).select_related("model__cruncher")
        if board
        else []
    )
    header = ["rank", "model_id", "model_name", "cruncher_name"]
    return csv_response(
        f"{competition.slug}-leaderboard",
        [*header, *(column.key for column in columns), "prediction_count", "as_of"],
        (
            [
                entry.rank,
                entry.model.model_id,
                entry.model.name,
                entry.model.cruncher.name if entry.model.cruncher else None,
                *(entry.metrics.get(column.key) for column in columns),
                entry.prediction_count,
                iso_z(entry.leaderboard.as_of),
            ]
            for entry in entries
        ),
    )


@public
def scores_csv(request: HttpRequest) -> HttpResponse:
    """Return a board page's chart: one row per instant, one column per model."""
    competition = required(chosen(request))
    board = board_of(competition, after=after_of(request))
    if board is None:
        return csv_response(f"{competition.slug}-scores", ["at"], [])
    models = [row.model for row in board.rows]
    as_of, window = board.newest.as_of, board.window
    points, _ = points_of(competition, [m.pk for m in models], as_of, window)
    series = recent(rolling(points, window, summing_of_values(competition)), as_of)
    shown = [m for m in models if m.pk in series]
    return series_csv(
        f"{competition.slug}-scores",
        [m.model_id for m in shown],
        [series[m.pk] for m in shown],
    )


@public
def model_csv(request: HttpRequest, model_id: str) -> HttpResponse:
    """Return a model page's chart: one row per instant."""
    shown = shown_model(request, model_id)
    board = Leaderboard.objects.filter(
        competition=shown.competition, is_newest=True
    ).first()
    series: dict[str, Series] = {}
    if board:
        window = window_of(shown.competition, board.ranking_key)
        series, _ = model_series(shown, board.as_of, window)
    return series_csv(f"{shown.model_id}-scores", list(series), list(series.values()))


def csv_response(
    name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> HttpResponse:
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(
        as_attachment=True, filename=f"{name}.csv"
    )
    writer = csv.writer(response)
    writer.writerow([csv_cell(cell) for cell in header])
    writer.writerows([csv_cell(cell) for cell in row] for row in rows)
    return response


def series_csv(name: str, names: Sequence[str], series: Sequence[Any]) -> HttpResponse:
    grid, table = on_one_grid(series)
    rows = (
        [iso_z(datetime.fromtimestamp(at, UTC)), *(values[i] for values in table)]
        for i, at in enumerate(grid)
    )
    return csv_response(name, ["at", *names], rows)
