"""Snapshots: the scores of a model in a period, summed up."""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from competitions.models import ParticipantModel
from scoring.models.finite import finite


class SnapshotQuerySet(models.QuerySet["Snapshot"]):
    def current(self) -> "SnapshotQuerySet":
        """Return the snapshots that no correction has superseded."""
        return self.filter(superseded_at__isnull=True)

    def closed_at(self, as_of: datetime) -> "SnapshotQuerySet":
        """Return the closed snapshots that stood just before an instant."""
        return self.filter(
            Q(superseded_at__isnull=True) | Q(superseded_at__gte=as_of),
            is_closed=True,
            updated_at__lt=as_of,  # when it was closed: it never changed after
        )


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
            finite("value", name="snapshot_value_finite"),
        ]
        indexes = [
            models.Index(fields=["period_end", "model"], name="snapshot_period"),
            models.Index(fields=["period_start", "id"], name="snapshot_order"),
            models.Index(
                fields=["model"], condition=Q(is_closed=False), name="snapshot_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_id}[{self.period_start:%Y-%m-%dT%H:%M}Z)"
