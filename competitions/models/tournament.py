"""Rounds whose questions and truths a program posts."""

from django.db import models
from django.db.models import F, Q, TextChoices

from competitions.models.competition import Competition
from competitions.models.scheduled_prediction import ScheduledPrediction

LONGEST_ROUND_ID = 100


class TournamentRoundQuerySet(models.QuerySet["TournamentRound"]):
    def to_ask(self) -> "TournamentRoundQuerySet":
        """Return those with samples to ask, of competitions that run, oldest first."""
        return self.filter(
            status=TournamentRound.Status.OPEN,
            competition__status=Competition.Status.ACTIVE,
        ).order_by("created_at", "pk")


class TournamentRound(models.Model):
    """A posted round: its samples are rows of `Round`, in order, from 0 on.

    OPEN until the models were asked about every sample, INFERRED until each has its
    truth and its scores, then SCORED. VOID if the competition ended before. `reason`
    says what an open one waits for, or why it is void.
    """

    class Status(TextChoices):
        OPEN = "OPEN"
        INFERRED = "INFERRED"
        SCORED = "SCORED"
        VOID = "VOID"

    competition = models.ForeignKey(
        Competition, on_delete=models.CASCADE, related_name="tournament_rounds"
    )
    scheduled_prediction = models.ForeignKey(
        ScheduledPrediction, on_delete=models.PROTECT, related_name="tournament_rounds"
    )
    round_id = models.CharField(max_length=LONGEST_ROUND_ID)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.OPEN)
    reason = models.TextField(blank=True)
    samples = models.PositiveIntegerField()
    asked = models.PositiveIntegerField(default=0)
    features_digest = models.CharField(max_length=64)
    truth_digest = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()
    inferred_at = models.DateTimeField(null=True, blank=True)
    truth_at = models.DateTimeField(null=True, blank=True)
    scored_at = models.DateTimeField(null=True, blank=True)

    objects = TournamentRoundQuerySet.as_manager()

    class Meta:
        db_table = "tournament_rounds"
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["competition", "round_id"], name="tournament_round_unique"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["OPEN", "INFERRED", "SCORED", "VOID"]),
                name="tournament_status_known",
            ),
            models.CheckConstraint(
                condition=Q(samples__gt=0, asked__lte=F("samples")),
                name="tournament_samples_counted",
            ),
        ]
        indexes = [
            models.Index(
                fields=["competition", "created_at"],
                condition=Q(status="OPEN"),
                name="tournament_open",
            )
        ]

    def __str__(self) -> str:
        return self.round_id
