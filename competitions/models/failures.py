"""Failures of operators' own code."""

from django.db import models
from django.db.models import F

from competitions.models.competition import Competition


class CallableFailure(models.Model):
    """An operator's callable that fails now; the next call that succeeds deletes it."""

    competition = models.ForeignKey(
        Competition, on_delete=models.CASCADE, related_name="callable_failures"
    )
    callable = models.CharField(
        max_length=120, help_text="The slot, or what it is for."
    )
    path = models.CharField(max_length=300)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.PositiveIntegerField(help_text="Failures in a row.")
    text = models.TextField(help_text="The newest error.")

    class Meta:
        db_table = "callable_failures"
        ordering = ["competition", "callable"]
        constraints = [
            models.UniqueConstraint(
                fields=["competition", "callable"], name="callable_failure_unique"
            ),
            models.CheckConstraint(
                condition=models.Q(first_at__lte=F("last_at")),
                name="callable_failure_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.callable} ({self.path})"
