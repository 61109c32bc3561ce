"""Corrections by an operator: rescorings and void windows."""

from django.db import models
from django.db.models import F, Q

from competitions.models import Competition, Round
from core.texts import readable


class Rescoring(models.Model):
    """A rescoring that was applied: closed periods scored again with a newer scorer.

    Old scores stay; the highest scoring version of a prediction counts.
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
    """A range of slots `[start_at, end_at)` that does not count, and why.

    All aggregates leave its rounds out, also those that are still to come.
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
        """Return the rounds inside, as a condition."""
        scope = Q(scope_key=self.scope_key) if self.scope_key else Q()
        return scope & Q(slot_at__gte=self.start_at, slot_at__lt=self.end_at)

    def holds(self, round_: Round) -> bool:
        """Return whether a round is inside."""
        is_scope = self.scope_key in ("", round_.scope_key)
        return is_scope and self.start_at <= round_.slot_at < self.end_at

    @property
    def round_reason(self) -> str:
        """Return the reason that participants read at a round inside."""
        return readable(f"void: {self.reason}")
