"""Leaderboards and their rows."""

from django.db import models
from django.db.models import Q

from competitions.models import Competition, ParticipantModel
from scoring.models.finite import finite


class Leaderboard(models.Model):
    """A ranking of all real models at an instant, stored as rows."""

    competition = models.ForeignKey(
        Competition, on_delete=models.CASCADE, related_name="leaderboards"
    )
    as_of = models.DateTimeField()
    is_newest = models.BooleanField(default=True)
    ranking_key = models.CharField(max_length=80)
    ranking_direction = models.CharField(max_length=4)
    meta = models.JSONField(default=dict, blank=True, db_column="meta_jsonb")
    figures = models.JSONField(
        default=dict,
        db_column="figures_jsonb",
        help_text="Per figure: hours of its window, what it counts, if it is a mean "
        "of snapshots.",
    )
    created_at = models.DateTimeField()

    class Meta:
        db_table = "leaderboards"
        ordering = ["-as_of", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["competition"],
                condition=Q(is_newest=True),
                name="leaderboard_one_newest",
            )
        ]
        indexes = [
            models.Index(fields=["competition", "-as_of"], name="leaderboard_as_of")
        ]

    def __str__(self) -> str:
        return f"{self.competition_id}@{self.as_of:%Y-%m-%dT%H:%M:%S}Z"


class LeaderboardEntry(models.Model):
    """A model's line on a board; `rank` is NULL for a virtual or excluded model."""

    leaderboard = models.ForeignKey(
        Leaderboard, on_delete=models.CASCADE, related_name="entries", db_index=False
    )
    model = models.ForeignKey(
        ParticipantModel, on_delete=models.CASCADE, related_name="leaderboard_entries"
    )
    rank = models.PositiveIntegerField(null=True, blank=True)
    position = models.PositiveIntegerField(help_text="Order on the board, from 1.")
    ranking_value = models.FloatField(null=True, blank=True)
    metrics = models.JSONField(default=dict, db_column="metrics_jsonb")
    samples = models.JSONField(
        default=dict,
        db_column="samples_jsonb",
        help_text="Per window: scores that it rests on (count), and expected ones.",
    )
    counts = models.JSONField(
        default=dict,
        db_column="counts_jsonb",
        help_text="Per figure that is no window: how much of its unit it rests on.",
    )
    prediction_count = models.PositiveIntegerField(
        default=0, help_text="Scores in the longest window."
    )

    class Meta:
        db_table = "leaderboard_entries"
        ordering = ["leaderboard", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["leaderboard", "model"], name="leaderboard_entry_unique"
            ),
            finite("ranking_value", name="leaderboard_value_finite"),
        ]

    def __str__(self) -> str:
        return f"{self.rank}. {self.model_id}"
