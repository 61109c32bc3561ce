"""Rounds and the immutable answers to them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import F, Q, TextChoices
from django.db.models.functions import Cast, Left

from competitions.models.competition import Competition
from competitions.models.participants import ParticipantModel
from competitions.models.scheduled_prediction import ScheduledPrediction
from competitions.models.told_failures import told_output, told_reason
from competitions.models.tournament import TournamentRound
from core.grid import Period

# Resolved rounds of a period, as SQL over a row `round`; its parameters are the
# competition's key, the start and the end. `Round.objects.resolved_in` does the same.
RESOLVED_IN = """
    round.competition_id = %s AND round.status = 'RESOLVED'
    AND round.resolved_at >= %s AND round.resolved_at < %s
"""


class RoundQuerySet(models.QuerySet["Round"]):
    def waiting(self) -> "RoundQuerySet":
        """Return rounds of the grid whose models have not been asked yet."""
        return self.unasked().filter(tournament__isnull=True)

    def unasked(self) -> "RoundQuerySet":
        """Return rounds, scheduled or posted, whose models have not been asked yet."""
        return self.filter(status=Round.Status.RECEIVED, performed_at__isnull=True)

    def to_ask(self, now: datetime) -> "RoundQuerySet":
        """Return waiting rounds whose slot has come: a fast clock makes others."""
        return self.waiting().filter(slot_at__lte=now)

    def due(self, now: datetime) -> "RoundQuerySet":
        """Return asked rounds whose horizon has passed, in a total order."""
        return self.filter(
            status=Round.Status.RECEIVED,
            performed_at__isnull=False,
            resolvable_at__lte=now,
        ).order_by("resolvable_at", "pk")

    def resolved(self) -> "RoundQuerySet":
        """Return rounds that have a truth and count."""
        return self.filter(status=Round.Status.RESOLVED)

    def resolved_in(self, period: Period) -> "RoundQuerySet":
        """Return resolved rounds of a period: their truth was stored inside it."""
        return self.resolved().filter(
            resolved_at__gte=period.start, resolved_at__lt=period.end
        )


class Round(models.Model):
    """A round: the row `(scheduled prediction, slot)` and all that its answers share.

    The dispatcher creates it as RECEIVED; `performed_at` is when models were asked. It
    ends RESOLVED (truth found), UNRESOLVABLE, MISSED or VOID, each with a reason.

    A sample of a tournament round is a round too: its slot is not on the grid, and it
    becomes due (`resolvable_at`) when its truth is posted, as its `actuals`.
    """

    class Status(TextChoices):
        RECEIVED = "RECEIVED"
        RESOLVED = "RESOLVED"
        UNRESOLVABLE = "UNRESOLVABLE"
        MISSED = "MISSED"
        VOID = "VOID"

    competition = models.ForeignKey(
        Competition, on_delete=models.CASCADE, related_name="rounds"
    )
    scheduled_prediction = models.ForeignKey(
        ScheduledPrediction, on_delete=models.PROTECT, related_name="rounds"
    )
    slot_at = models.DateTimeField()
    status = models.CharField(
        max_length=12, choices=Status.choices, default=Status.RECEIVED
    )
    reason = models.TextField(blank=True)
    scope_key = models.CharField(max_length=120)
    scope = models.JSONField(default=dict, db_column="scope_jsonb")
    raw_data = models.JSONField(default=dict, db_column="raw_data_jsonb")
    model_input = models.JSONField(
        null=True,
        blank=True,
        db_column="model_input_jsonb",
        help_text="The input that models received; NULL if it is the raw data itself.",
    )
    input_age_s = models.FloatField(
        null=True,
        blank=True,
        help_text="The age of the newest record that models received; NULL if unknown.",
    )
    performed_at = models.DateTimeField(null=True, blank=True)
    resolvable_at = models.DateTimeField(null=True, blank=True)
    actuals = models.JSONField(null=True, blank=True, db_column="actuals_jsonb")
    provenance = models.JSONField(null=True, blank=True, db_column="provenance_jsonb")
    resolved_at = models.DateTimeField(null=True, blank=True)
    timing = models.JSONField(default=dict, blank=True, db_column="timing_jsonb")
    received_at = models.DateTimeField()
    tournament = models.ForeignKey(
        # The unique constraint below serves as its index.
        TournamentRound,
        on_delete=models.CASCADE,
        related_name="rounds",
        db_index=False,
        null=True,
        blank=True,
    )
    sample = models.PositiveIntegerField(null=True, blank=True)
    overdue_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When a cycle first found that its truth was late; else NULL.",
    )

    objects = RoundQuerySet.as_manager()

    class Meta:
        db_table = "inputs"
        ordering = ["-slot_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["scheduled_prediction", "slot_at"], name="round_slot_unique"
            ),
            models.UniqueConstraint(
                fields=["tournament", "sample"],
                condition=Q(tournament__isnull=False),
                name="round_sample_unique",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        "RECEIVED",
                        "RESOLVED",
                        "UNRESOLVABLE",
                        "MISSED",
                        "VOID",
                    ]
                ),
                name="round_status_known",
            ),
            models.CheckConstraint(
                condition=~Q(status="RESOLVED")
                | Q(resolved_at__isnull=False, actuals__isnull=False),
                name="round_resolved_has_truth",
            ),
            models.CheckConstraint(
                condition=Q(performed_at__isnull=True)
                | Q(resolvable_at__gte=F("performed_at")),
                name="round_resolves_after_asking",
            ),
        ]
        indexes = [
            models.Index(
                fields=["competition", "resolvable_at", "id"],
                condition=Q(status="RECEIVED"),
                name="round_waiting",
            ),
            models.Index(fields=["competition", "resolved_at"], name="round_resolved"),
            models.Index(fields=["competition", "-slot_at"], name="round_newest"),
            models.Index(  # few, among many
                fields=["competition", "status", "-slot_at", "-id"],
                condition=Q(status__in=["UNRESOLVABLE", "MISSED", "VOID"]),
                name="round_without_scores",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope_key}@{self.slot_at:%Y-%m-%dT%H:%M:%S}Z"


class PredictionQuerySet(models.QuerySet["Prediction"]):
    def for_models(self, models: Iterable[ParticipantModel]) -> "PredictionQuerySet":
        """Return the predictions of these models."""
        return self.filter(model__in=list(models))

    def between(self, start: datetime, end: datetime) -> "PredictionQuerySet":
        """Return predictions of rounds whose slot lies in `[start, end)`."""
        return self.filter(round__slot_at__gte=start, round__slot_at__lt=end)

    def in_scope(self, scope_key: str) -> "PredictionQuerySet":
        """Return predictions of rounds of a scope, whatever its shape."""
        return self.filter(round__scope_key=scope_key)

    def told_to(self, user: Any) -> "PredictionQuerySet":
        """Annotate `told_reason` and `told_output`: what a user reads of failures."""
        return self.annotate(
            told_reason=told_reason(user), told_output=told_output(user)
        )

    def with_shown_output(
        self, output: Any = "output", *, limit: int = 400
    ) -> "PredictionQuerySet":
        """Replace the output by the first characters of its JSON, for people to read.

        `shown_output` is one character longer than `limit` if there is more. `output`
        is an expression in its place.
        """
        text = Cast(output, models.TextField())
        return self.defer("output").annotate(shown_output=Left(text, limit + 1))


class Prediction(models.Model):
    """One model's answer in one round. Written once, never updated.

    `scoring.scores.statuses` derives the protocol's status (PENDING, SCORED, ...).
    """

    class Outcome(TextChoices):
        ANSWERED = "ANSWERED"
        FAILED = "FAILED"
        ABSENT = "ABSENT"

    round = models.ForeignKey(
        # The unique constraint below serves as its index.
        Round,
        on_delete=models.CASCADE,
        related_name="predictions",
        db_column="input_id",
        db_index=False,
    )
    model = models.ForeignKey(
        ParticipantModel, on_delete=models.PROTECT, related_name="predictions"
    )
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    code = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text="What kind of failure it is, for everybody to read.",
    )
    reason = models.TextField(
        blank=True, help_text="Why it is no answer, for its owner and operators."
    )
    output = models.JSONField(default=dict, db_column="inference_output_jsonb")
    exec_time_us = models.BigIntegerField(null=True, blank=True)
    performed_at = models.DateTimeField()
    meta = models.JSONField(default=dict, blank=True, db_column="meta_jsonb")

    objects = PredictionQuerySet.as_manager()

    class Meta:
        db_table = "predictions"
        ordering = ["-performed_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["round", "model"], name="prediction_unique_per_round"
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=["ANSWERED", "FAILED", "ABSENT"]),
                name="prediction_outcome_known",
            ),
        ]
        indexes = [
            models.Index(fields=["model", "-performed_at"], name="prediction_of_model")
        ]

    def __str__(self) -> str:
        return f"{self.model_id}@{self.round_id}"
