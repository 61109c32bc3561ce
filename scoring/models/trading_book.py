"""The accounts of a trading competition, one row for each model and period."""

from django.db import models

from competitions.models import ParticipantModel


class TradingBook(models.Model):
    """A model's account as it stood when it was last marked in a period.

    Each period begins with the account that the one before left, so a row's `state` is
    all that a restart needs, and the rows of a model are the history of its account.
    """

    model = models.ForeignKey(
        # The unique constraint below serves as its index.
        ParticipantModel,
        on_delete=models.CASCADE,
        related_name="trading_books",
        db_index=False,
    )
    period_start = models.DateTimeField()
    marked_at = models.DateTimeField(
        help_text="Prices and orders up to this instant are in the state."
    )
    state = models.JSONField(
        db_column="state_jsonb",
        help_text="Positions with their marks, and totals; decimals as texts.",
    )

    class Meta:
        db_table = "trading_books"
        ordering = ["-period_start", "model"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "period_start"], name="trading_book_unique"
            )
        ]
        indexes = [models.Index(fields=["-period_start"], name="trading_book_newest")]

    def __str__(self) -> str:
        return f"{self.model_id}[{self.period_start:%Y-%m-%dT%H:%M}Z)"
