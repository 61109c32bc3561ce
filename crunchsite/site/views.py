"""The public pages; all work without JavaScript, and htmx only refreshes them."""

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.exceptions import ValidationError

from competitions.models import Competition
from competitions.models.told_failures import reads_texts
from core import clock
from core.acts import sees_troubles
from crunchsite.site.alike import heat_map
from crunchsite.site.asked import after_of, chosen, required, shown_model
from crunchsite.site.board import (
    basis_of,
    board_of,
    columns_of,
    coverage_of,
    window_of,
)
from crunchsite.site.charts import line_chart, series_rows
from crunchsite.site.frame import REFRESH_S, page, public
from crunchsite.site.predictions import predictions_of
from crunchsite.site.rule_book import rules_of
from crunchsite.site.series import model_series, summed_as
from crunchsite.site.status import status_of
from feeds.models import FeedIngestionState
from feeds.views import feed_context
from livepool.views import pool_context
from scoring.diversity.feedback import feedback
from scoring.models import LeaderboardEntry

TABLE_ROWS = 24


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
        after = after_of(request)
        board = board_of(competition, after=after)
        context |= {"board": board, "after": after}
        context["status"] = status_of(
            competition, feeds=feeds, is_scored=board is not None and bool(board.rows)
        )
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
        predictions, following = predictions_of(
            shown, user=request.user, cursor=request.GET.get("cursor")
        )
    except ValidationError:
        raise Http404("This page of predictions does not exist.") from None
    context: dict[str, Any] = {
        "competition": competition,
        "model": shown,
        "entry": entry,
        "predictions": predictions,
        "following": following,
        "reads_texts": reads_texts(request.user, shown.cruncher_id),
        "diversity": feedback(shown),
        "refresh_s": REFRESH_S,
    }
    if entry is not None:
        board = entry.leaderboard
        window = window_of(competition, board.ranking_key)
        series, step = model_series(shown, board.as_of, window)
        cells = [
            (column, entry.metrics.get(column.key))
            for column in columns_of(competition, board.ranking_key)
        ]
        context |= {
            "window": window,
            "step": step,
            "summed_as": summed_as(competition),
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
    """Show how alike the leading models are, pair by pair."""
    competition = required(chosen(request))
    context = {"competition": competition, "map": heat_map(competition)}
    return page(request, "site/diversity.html", context)


@public
def rules(request: HttpRequest) -> HttpResponse:
    """Show a competition's rules: what is asked, and how it is scored."""
    competition = required(chosen(request))
    context = {"competition": competition, **rules_of(competition)}
    return page(request, "site/rules.html", context)


@public
def feeds(request: HttpRequest) -> HttpResponse:
    """Show the feeds on the tape and how fresh they are."""
    context = feed_context(now=clock.now(), wanted=request.GET.get("feed"))
    context |= {
        "refresh_s": REFRESH_S,
        "sees_troubles": sees_troubles(request.user),
    }
    return page(request, "site/feeds.html", context)


@public
def livepool(request: HttpRequest) -> HttpResponse:
    """Show the current pool, the reasons for it, and earlier ones."""
    return page(request, "livepool/pool.html", pool_context(request.user))
