"""Addresses below /api/v1/: the lists, the acts, and single rows."""

from django.urls import include, path, re_path

from crunchsite.v1.acts.competitions import Competitions
from crunchsite.v1.boards import BoardLineList, BoardList
from crunchsite.v1.checkpoints import CheckpointList
from crunchsite.v1.competitions import CompetitionList
from crunchsite.v1.feeds import FeedList, RecordList
from crunchsite.v1.items import (
    OneBoard,
    OneBoardLine,
    OneCheckpoint,
    OneCompetition,
    OneFeed,
    OneModel,
    OnePrediction,
    OneRelease,
    OneRound,
    OneScore,
    OneSnapshot,
)
from crunchsite.v1.participants import ModelList
from crunchsite.v1.payouts import DisputeList, LedgerList, PreviewOfPeriod
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
    re_path(
        r"^checkpoints/preview/?$",
        PreviewOfPeriod.as_view(),
        name="checkpoint-preview",
    ),
    re_path(r"^ledger/?$", LedgerList.as_view(), name="ledger"),
    re_path(r"^disputes/?$", DisputeList.as_view(), name="disputes"),
    re_path(r"^rewards/?$", RewardList.as_view(), name="rewards"),
    re_path(r"^feeds/?$", FeedList.as_view(), name="feeds"),
    re_path(r"^feeds/records/?$", RecordList.as_view(), name="feed-records"),
    re_path(r"^releases/?$", ReleaseList.as_view(), name="releases"),
    path("", include("crunchsite.v1.acts.urls")),
    # After the acts, because `releases/publish` is no version.
    *(
        re_path(rf"^{path}/(?P<{key}>[^/]+)/?$", view.as_view(), name=f"one-{name}")
        for path, key, name, view in (
            ("competitions", "slug", "competition", OneCompetition),
            ("models", "model_id", "model", OneModel),
            ("rounds", "id", "round", OneRound),
            ("predictions", "id", "prediction", OnePrediction),
            ("scores", "id", "score", OneScore),
            ("snapshots", "id", "snapshot", OneSnapshot),
            ("leaderboards", "id", "leaderboard", OneBoard),
            ("leaderboard", "model_id", "leaderboard-line", OneBoardLine),
            ("checkpoints", "checkpoint_id", "checkpoint", OneCheckpoint),
            ("feeds", "feed", "feed", OneFeed),
            ("releases", "version", "release", OneRelease),
        )
    ),
]
