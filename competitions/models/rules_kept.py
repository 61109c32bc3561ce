"""The rules of a competition as they were, each time that they changed.

The public log holds the digest of each; here is who changed them, and why.
"""

from django.db import models

from competitions.models.competition import Competition


class KeptRules(models.Model):
    """What a competition asked, scored and paid from an instant on. Never updated."""

    competition = models.ForeignKey(
        # The unique constraint below serves as its index.
        Competition,
        on_delete=models.CASCADE,
        related_name="kept_rules",
        db_index=False,
    )
    number = models.PositiveIntegerField(help_text="1, 2, 3 ... of its competition.")
    begins_at = models.DateTimeField()
    author = models.CharField(
        max_length=150, blank=True, help_text="Who changed them; empty for the site."
    )
    reason = models.TextField(blank=True)
    rules = models.JSONField(db_column="rules_jsonb")

    class Meta:
        db_table = "kept_rules"
        ordering = ["competition", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["competition", "number"], name="kept_rules_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.competition.slug} rules {self.number}"
