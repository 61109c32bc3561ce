"""The public pages. Each is whole without JavaScript; htmx only refreshes it."""

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers
from rest_framework.exceptions import ValidationError

from competitions.models import Competition, ParticipantModel
from core import clock
from core.clock import iso_z
from core.texts import csv_cell
from crunchsite.site.alike import heat_map
from crunchsite.site.board import (
    basis_of,
    board_of,
    columns_of,
    coverage_of,
    window_of,
)
from crunchsite.site.charts import line_chart, series_rows
from crunchsite.site.predictions import predictions_of
from crunchsite.site.series import on_one_grid, points_of, recent, rolling
from crunchsite.site.status import status_of
from feeds.models import FeedIngestionState
from feeds.views import feed_context
from livepool.views import pool_context
from scoring.diversity.feedback import feedback
from scoring.models import Leaderboard, LeaderboardEntry

REFRESH_S = 5
TABLE_ROWS = 24
View = Callable[..., HttpResponseBase]


def public(view: View) -> View:
    """Safe methods only; caches keep a page but ask each time whether it changed.

    What somebody who is known sees may be for them alone, and no shared cache keeps it.
    """

    @require_safe
    @vary_on_headers("HX-Request")
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        kept_by = "private" if request.user.is_authenticated else "public"
        patch_cache_control(response, no_cache=True, **{kept_by: True})
        return response

    return wrapped


@public
def home(request: HttpRequest) -> HttpResponse:
    competitions = list(Competition.objects.seen_by(request.user))
    competition = chosen(request, competitions)
    feeds = list(FeedIngestionState.objects.all())
    context: dict[str, Any] = {
        "competitions": competitions,
        "competition": competition,
        "refresh_s": REFRESH_S,
        "local_models_competition": settings.ENV.local_models_competition,
    }
    if competition is not None:
        context["status"] = status_of(competition, feeds=feeds)
        context["board"] = board_of(competition, after=after_of(request))
    return page(request, "site/home.html", context, feeds=feeds)


@public
def model(request: HttpRequest, model_id: str) -> HttpResponse:
    shown = shown_model(request, model_id)
    competition = shown.competition
    entry = (
        LeaderboardEntry.objects.filter(model=shown, leaderboard__is_newest=True)
        .select_related("leaderboard")
        .first()
    )
    try:
        predictions, following = predictions_of(shown, cursor=request.GET.get("cursor"))
    except ValidationError:
        raise Http404("This page of predictions does not exist.") from None
    context: dict[str, Any] = {
        "competition": competition,
        "model": shown,
        "entry": entry,
        "predictions": predictions,
        "following": following,
        "diversity": feedback(shown),
        "refresh_s": REFRESH_S,
    }
    if entry is not None:
        board = entry.leaderboard
        window = window_of(competition, board.ranking_key)
        series = model_series(shown, board.as_of, window)
        cells = [
            (column, entry.metrics.get(column.key))
            for column in columns_of(competition, board.ranking_key)
        ]
        context |= {
            "window": window,
            "windows": [cell for cell in cells if cell[0].key in entry.samples],
            "others": [
                (column, value, basis_of(entry, column.key))
                for column, value in cells
                if column.key not in entry.samples
            ],
            "coverage": coverage_of(entry, board.ranking_key),
            "chart": line_chart([(name, "", s) for name, s in series.items()], tones=1),
            "chart_names": list(series),
            "chart_rows": series_rows(list(series.values()), most=TABLE_ROWS),
        }
    return page(request, "site/model.html", context)


@public
def diversity(request: HttpRequest) -> HttpResponse:
    """How alike the leading models are, pair by pair."""
    competition = required(chosen(request))
    context = {"competition": competition, "map": heat_map(competition)}
    return page(request, "site/diversity.html", context)


@public
def feeds(request: HttpRequest) -> HttpResponse:
    """What is on the tape and how fresh it is."""
    context = feed_context(now=clock.now(), wanted=request.GET.get("feed"))
    context["refresh_s"] = REFRESH_S
    return page(request, "site/feeds.html", context)


@public
def livepool(request: HttpRequest) -> HttpResponse:
    """The current pool, why it is so, and the ones before it."""
    return page(request, "livepool/pool.html", pool_context())


@public
def leaderboard_csv(request: HttpRequest) -> HttpResponse:
    """The whole newest board: one row a model, an unknown value is empty."""
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
    """The home page's chart: one row an instant, one column a model."""
    competition = required(chosen(request))
    board = board_of(competition)
    if board is None:
        return csv_response(f"{competition.slug}-scores", ["at"], [])
    models = [row.model for row in board.rows]
    as_of, window = board.newest.as_of, board.window
    points = points_of(competition, [m.pk for m in models], as_of, window)
    series = recent(rolling(points, window), as_of)
    shown = [m for m in models if m.pk in series]
    return series_csv(
        f"{competition.slug}-scores",
        [m.model_id for m in shown],
        [series[m.pk] for m in shown],
    )


@public
def model_csv(request: HttpRequest, model_id: str) -> HttpResponse:
    """A model page's chart: one row an instant."""
    shown = shown_model(request, model_id)
    board = Leaderboard.objects.filter(
        competition=shown.competition, is_newest=True
    ).first()
    series = (
        model_series(
            shown, board.as_of, window_of(shown.competition, board.ranking_key)
        )
        if board
        else {}
    )
    return series_csv(f"{shown.model_id}-scores", list(series), list(series.values()))


def model_series(
    model: ParticipantModel, as_of: datetime, window: timedelta
) -> dict[str, Any]:
    """The model's rolling mean, and its mean per period; by name."""
    points = points_of(model.competition, [model.pk], as_of, window)
    lines = {
        "Rolling mean": recent(rolling(points, window), as_of),
        "Each period": recent(rolling(points, timedelta(seconds=1)), as_of),
    }
    return {name: own[model.pk] for name, own in lines.items() if model.pk in own}


def after_of(request: HttpRequest) -> int:
    """The place on the board behind which the page begins."""
    after = request.GET.get("after", "0")
    return int(after) if after.isdecimal() and len(after) < 10 else 0


def chosen(
    request: HttpRequest, competitions: Sequence[Competition] | None = None
) -> Competition | None:
    """The one asked for, else the first; raises Http404 for an unknown slug."""
    if competitions is None:
        competitions = list(Competition.objects.seen_by(request.user))
    slug = request.GET.get("competition")
    if slug is None:
        return competitions[0] if competitions else None
    return required(next((c for c in competitions if c.slug == slug), None))


def required(competition: Competition | None) -> Competition:
    if competition is None:
        raise Http404("There is no such competition.")
    return competition


def shown_model(request: HttpRequest, model_id: str) -> ParticipantModel:
    """The model of that id in the competition asked for, or the first that has it."""
    rows = ParticipantModel.objects.filter(
        model_id=model_id, competition__in=Competition.objects.seen_by(request.user)
    )
    if slug := request.GET.get("competition"):
        rows = rows.filter(competition__slug=slug)
    found = rows.select_related("competition", "cruncher").order_by("pk").first()
    if found is None:
        raise Http404(f"There is no model {model_id}.")
    return found


def page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    feeds: list[FeedIngestionState] | None = None,
) -> HttpResponse:
    """Render with what the frame needs: the clock, and whether there are feeds."""
    time = clock.current()
    has_feeds = FeedIngestionState.objects.exists() if feeds is None else bool(feeds)
    frame = {
        "has_feeds": has_feeds,
        "clock_start": time.start.timestamp(),
        "clock_anchor": time.anchor.timestamp(),
        "clock_speed": time.speed,
        "layout": "site/_live.html" if is_refresh(request) else "site/base.html",
    }
    return render(request, template, {**frame, **context})


def is_refresh(request: HttpRequest) -> bool:
    """Whether htmx asks, which wants the content without the frame."""
    return bool(getattr(request, "htmx", False))


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
