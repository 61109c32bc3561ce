"""Scores, the snapshots that sum them up, and the boards that rank them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from competitions.models import Competition, ParticipantModel, Prediction, Round
from core.grid import Period
from core.texts import readable

# The score of a prediction that counts, as SQL over a row `score`: that of the highest
# scoring version. `Score.objects.current()` says the same.
CURRENT_SCORE = """
    NOT EXISTS (
        SELECT 1 FROM scores AS newer
        WHERE newer.prediction_id = score.prediction_id
            AND newer.scoring_version > score.scoring_version
    )
"""


class ScoreQuerySet(models.QuerySet["Score"]):
    def current(self) -> "ScoreQuerySet":
        """The one score of each prediction that counts, after any rescoring."""
        newer = Score.objects.filter(
            prediction=OuterRef("prediction"),
            scoring_version__gt=OuterRef("scoring_version"),
        )
        return self.filter(~Exists(newer))

    def resolved_in(self, competition: Competition, period: Period) -> "ScoreQuerySet":
        """The scores that count of a period's resolved rounds."""
        rounds = Round.objects.filter(competition=competition).resolved_in(period)
        return self.current().filter(prediction__round__in=rounds.values("pk"))


class Score(models.Model):
    """What a prediction was worth under one scoring version. Append-only."""

    prediction = models.ForeignKey(
        # The unique constraints below serve as its index, here and further down.
        Prediction,
        on_delete=models.CASCADE,
        related_name="scores",
        db_index=False,
    )
    scoring_version = models.PositiveIntegerField(default=1)
    value = models.FloatField(null=True, blank=True)
    success = models.BooleanField()
    failed_reason = models.TextField(blank=True)
    result = models.JSONField(default=dict, db_column="result_jsonb")
    scored_at = models.DateTimeField()

    objects = ScoreQuerySet.as_manager()

    class Meta:
        db_table = "scores"
        ordering = ["-scored_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["prediction", "scoring_version"],
                name="score_unique_per_version",
            ),
            models.CheckConstraint(
                condition=Q(success=False) | Q(value__isnull=False),
                name="score_success_has_value",
            ),
        ]
        indexes = [models.Index(fields=["scored_at"], name="score_time")]

    def __str__(self) -> str:
        return f"{self.prediction_id}v{self.scoring_version}"


class SnapshotQuerySet(models.QuerySet["Snapshot"]):
    def current(self) -> "SnapshotQuerySet":
        """Without those that a correction has superseded."""
        return self.filter(superseded_at__isnull=True)


class Snapshot(models.Model):
    """A model's scores of one aligned period `[period_start, period_end)`.

    The open period's row is rebuilt each cycle; a closed one never changes. A
    correction (rescoring, void window) adds a revision and marks the row before it.
    """

    model = models.ForeignKey(
        ParticipantModel,
        on_delete=models.CASCADE,
        related_name="snapshots",
        db_index=False,
    )
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    prediction_count = models.PositiveIntegerField(
        help_text="Scored predictions in the period."
    )
    expected_count = models.PositiveIntegerField(
        default=0, help_text="Resolved rounds in the period that knew the model."
    )
    value = models.FloatField(
        null=True, blank=True, help_text="Mean of the value field; NULL when unknown."
    )
    result_summary = models.JSONField(default=dict, db_column="result_summary_jsonb")
    parts = ArrayField(
        models.FloatField(),
        default=list,
        help_text="What windows are made of where means do not do.",
    )
    content_hash = models.CharField(max_length=64)
    is_closed = models.BooleanField(default=False)
    revision = models.PositiveIntegerField(default=0)
    superseded_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        db_table = "snapshots"
        ordering = ["-period_end", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "period_start", "period_end", "revision"],
                name="snapshot_unique_per_period",
            ),
            models.CheckConstraint(
                condition=Q(period_start__lt=F("period_end")),
                name="snapshot_period_half_open",
            ),
        ]
        indexes = [
            models.Index(fields=["period_end", "model"], name="snapshot_period"),
            models.Index(
                fields=["model"], condition=Q(is_closed=False), name="snapshot_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_id}[{self.period_start:%Y-%m-%dT%H:%M}Z)"


class Rescoring(models.Model):
    """An applied rescoring: closed periods scored again by the scorer of that day.

    Old scores stay; the highest scoring version of a prediction is the one that counts.
    """

    competition = models.ForeignKey(
        Competition, on_delete=models.CASCADE, related_name="rescorings"
    )
    scoring_version = models.PositiveIntegerField()
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    reason = models.TextField()
    author = models.CharField(max_length=150)
    summary = models.JSONField(
        default=dict, db_column="summary_jsonb", help_text="Who moved, by how much."
    )
    created_at = models.DateTimeField()

    class Meta:
        db_table = "rescorings"
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["competition", "scoring_version"],
                name="rescoring_version_unique",
            ),
            models.CheckConstraint(
                condition=Q(period_start__lt=F("period_end")),
                name="rescoring_period_half_open",
            ),
            models.CheckConstraint(
                condition=~Q(reason="") & ~Q(author=""), name="rescoring_has_a_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"v{self.scoring_version} of {self.competition_id}"


class VoidWindow(models.Model):
    """Slots in `[start_at, end_at)` that count for nothing, and why.

    Rounds inside leave every aggregate, those that are still to come too.
    """

    competition = models.ForeignKey(
        Competition, on_delete=models.CASCADE, related_name="void_windows"
    )
    scope_key = models.CharField(
        max_length=120, blank=True, help_text="Empty: every scope."
    )
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    reason = models.TextField()
    author = models.CharField(max_length=150)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "void_windows"
        ordering = ["-start_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(start_at__lt=F("end_at")), name="void_window_half_open"
            ),
            models.CheckConstraint(
                condition=~Q(reason="") & ~Q(author=""),
                name="void_window_has_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"[{self.start_at:%Y-%m-%dT%H:%M}Z, {self.end_at:%Y-%m-%dT%H:%M}Z)"

    @property
    def rounds(self) -> Q:
        """Rounds inside, as a condition."""
        scope = Q(scope_key=self.scope_key) if self.scope_key else Q()
        return scope & Q(slot_at__gte=self.start_at, slot_at__lt=self.end_at)

    def holds(self, round_: Round) -> bool:
        """The same of one round."""
        is_scope = self.scope_key in ("", round_.scope_key)
        return is_scope and self.start_at <= round_.slot_at < self.end_at

    @property
    def round_reason(self) -> str:
        """What participants read at a round inside."""
        return readable(f"void: {self.reason}")


class Leaderboard(models.Model):
    """A ranking of all real models at an instant; its rows are materialised."""

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
    """A model's line on a board. `rank` is NULL for a virtual model."""

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
            )
        ]

    def __str__(self) -> str:
        return f"{self.rank}. {self.model_id}"
