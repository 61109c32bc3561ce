"""Scores, the snapshots that sum them up, and the boards that rank them."""

from scoring.models.correction import Rescoring, VoidWindow
from scoring.models.leaderboard_rows import Leaderboard, LeaderboardEntry
from scoring.models.score import CURRENT_SCORE, Score, ScoreQuerySet
from scoring.models.snapshot import Snapshot, SnapshotQuerySet
from scoring.models.trading_book import TradingBook

__all__ = [
    "CURRENT_SCORE",
    "Leaderboard",
    "LeaderboardEntry",
    "Rescoring",
    "Score",
    "ScoreQuerySet",
    "Snapshot",
    "SnapshotQuerySet",
    "TradingBook",
    "VoidWindow",
]
