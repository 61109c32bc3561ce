"""Addresses below /api/v1/: the lists, and the acts."""

from django.urls import include, path, re_path

from crunchsite.v1.acts.competitions import Competitions
from crunchsite.v1.competitions import CompetitionList
from crunchsite.v1.participants import ModelList
from crunchsite.v1.predictions import PredictionList
from crunchsite.v1.rounds import RoundList


class CompetitionsAddress(CompetitionList, Competitions):
    """Create a competition from a pack, as a draft; `activate` lets it run."""


urlpatterns = [
    re_path(r"^competitions/?$", CompetitionsAddress.as_view(), name="competitions"),
    re_path(r"^models/?$", ModelList.as_view(), name="models"),
    re_path(r"^rounds/?$", RoundList.as_view(), name="rounds"),
    re_path(r"^predictions/?$", PredictionList.as_view(), name="predictions"),
    path("", include("crunchsite.v1.acts.urls")),
]
