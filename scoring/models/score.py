"""Scores of predictions, append-only."""

from datetime import datetime

from django.db import models
from django.db.models import Exists, OuterRef, Q

from competitions.models import Competition, ParticipantModel, Prediction, Round
from core.grid import Period
from scoring.models.finite import finite

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
        """Return the one score of each prediction that counts, after any rescoring."""
        return self.filter(~Exists(_newer()))

    def current_at(self, as_of: datetime) -> "ScoreQuerySet":
        """Return the scores that counted just before an instant."""
        newer = _newer().filter(scored_at__lt=as_of)
        return self.filter(~Exists(newer), scored_at__lt=as_of)

    def resolved_in(self, competition: Competition, period: Period) -> "ScoreQuerySet":
        """Return the scores that count of a period's resolved rounds."""
        rounds = Round.objects.filter(competition=competition).resolved_in(period)
        return self.current().filter(prediction__round__in=rounds.values("pk"))


def _newer() -> models.QuerySet["Score"]:
    """Return the scores of the same prediction, of a later scoring version."""
    return Score.objects.filter(
        prediction=OuterRef("prediction"),
        scoring_version__gt=OuterRef("scoring_version"),
    )


class Score(models.Model):
    """What a prediction was worth under one scoring version. Append-only."""

    prediction = models.ForeignKey(
        # The unique constraints below serve as its index, here and further down.
        Prediction,
        on_delete=models.CASCADE,
        related_name="scores",
        db_index=False,
    )
    model = models.ForeignKey(
        # That of the prediction, whose own key says that it exists, and with which a
        # score goes. Here, so that an index has a model's scores in their order.
        ParticipantModel,
        on_delete=models.DO_NOTHING,
        related_name="+",
        db_constraint=False,
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
            finite("value", name="score_value_finite"),
        ]
        indexes = [
            models.Index(fields=["scored_at", "id"], name="score_order"),
            models.Index(
                fields=["model", "scored_at", "id"], name="score_order_of_model"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prediction_id}v{self.scoring_version}"
