"""Addresses of acts, below /api/v1/."""

from django.urls import re_path

from crunchsite.v1.acts import competitions, corrections

COMPETITION = r"^competitions/(?P<slug>[^/]+)"

urlpatterns = [
    re_path(
        r"^competitions/?$", competitions.Competitions.as_view(), name="competitions"
    ),
    *(
        re_path(rf"{COMPETITION}/{view.name}/?$", view.as_view(), name=view.name)
        for view in (
            *(competitions.activate, competitions.pause, competitions.end),
            *(competitions.predict_now, competitions.score_now),
        )
    ),
    *(
        re_path(rf"{COMPETITION}/{view.kind}/?$", view.as_view(), name=view.kind)
        for view in (corrections.Rescore, corrections.Void)
    ),
]
