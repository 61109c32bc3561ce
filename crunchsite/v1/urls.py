"""Addresses below /api/v1/: the lists, and the acts."""

from django.urls import include, path, re_path

from crunchsite.v1.acts.competitions import Competitions
from crunchsite.v1.boards import BoardLineList, BoardList
from crunchsite.v1.checkpoints import CheckpointList
from crunchsite.v1.competitions import CompetitionList
from crunchsite.v1.feeds import FeedList, RecordList
from crunchsite.v1.participants import ModelList
from crunchsite.v1.predictions import PredictionList
from crunchsite.v1.releases import ReleaseList
from crunchsite.v1.rewards import RewardList
from crunchsite.v1.rounds import RoundList
from crunchsite.v1.scores import ScoreList
from crunchsite.v1.snapshots import SnapshotList


class CompetitionsAddress(CompetitionList, Competitions):
    """Create a competition from a pack, as a draft; `activate` lets it run."""


urlpatterns = [
    re_path(r"^competitions/?$", CompetitionsAddress.as_view(), name="competitions"),
    re_path(r"^models/?$", ModelList.as_view(), name="models"),
    re_path(r"^rounds/?$", RoundList.as_view(), name="rounds"),
    re_path(r"^predictions/?$", PredictionList.as_view(), name="predictions"),
    re_path(r"^scores/?$", ScoreList.as_view(), name="scores"),
    re_path(r"^snapshots/?$", SnapshotList.as_view(), name="snapshots"),
    re_path(r"^leaderboards/?$", BoardList.as_view(), name="leaderboards"),
    re_path(r"^leaderboard/?$", BoardLineList.as_view(), name="leaderboard"),
    re_path(r"^checkpoints/?$", CheckpointList.as_view(), name="checkpoints"),
    re_path(r"^rewards/?$", RewardList.as_view(), name="rewards"),
    re_path(r"^feeds/?$", FeedList.as_view(), name="feeds"),
    re_path(r"^feeds/records/?$", RecordList.as_view(), name="feed-records"),
    re_path(r"^releases/?$", ReleaseList.as_view(), name="releases"),
    path("", include("crunchsite.v1.acts.urls")),
]
