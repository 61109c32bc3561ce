"""The common parts of public pages: frame, refresh."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from core import clock
from feeds.models import FeedIngestionState

REFRESH_S = 5
View = Callable[..., HttpResponseBase]


def public(view: View) -> View:
    """Allow safe methods only; a page differs from its part that htmx asks for."""

    @require_safe
    @vary_on_headers("HX-Request")
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return view(request, *args, **kwargs)

    return wrapped


def page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    feeds: list[FeedIngestionState] | None = None,
) -> HttpResponse:
    """Render with the common values: the clock, and whether there are feeds."""
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
    """Return whether htmx asks, which needs the content without the frame."""
    return bool(getattr(request, "htmx", False))
