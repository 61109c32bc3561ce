"""Models that participants submit: one row for each version."""

from django.db import models
from django.db.models import Q, TextChoices

from competitions.models.competition import Competition
from competitions.models.participants import LONGEST_REASON, Cruncher


class SubmittedVersionQuerySet(models.QuerySet["SubmittedVersion"]):
    def waiting(self) -> "SubmittedVersionQuerySet":
        """Return those whose check has not ended, in the order in which they came."""
        status = SubmittedVersion.Status
        return self.filter(status__in=[status.QUEUED, status.CHECKING]).order_by("pk")

    def kept(self) -> "SubmittedVersionQuerySet":
        """Return those whose content is still in its folder."""
        return self.exclude(content="")

    def tried(self) -> "SubmittedVersionQuerySet":
        """Return the versions that have ever taken part."""
        return self.exclude(live_at=None)


class SubmittedVersion(models.Model):
    """One version of a model, submitted by its cruncher; it ends in one status.

    QUEUED and CHECKING lie in quarantine. The check ends in REFUSED, with a code and a
    reason, or in LIVE, which makes the version before it REPLACED. A LIVE one that is
    quarantined soon after is REFUSED too, and the version before is LIVE again.
    """

    class Status(TextChoices):
        QUEUED = "QUEUED"
        CHECKING = "CHECKING"
        LIVE = "LIVE"
        REPLACED = "REPLACED"
        REFUSED = "REFUSED"

    competition = models.ForeignKey(
        # The unique constraint below serves as its index.
        Competition,
        on_delete=models.CASCADE,
        related_name="submitted_versions",
        db_index=False,
    )
    cruncher = models.ForeignKey(
        Cruncher, on_delete=models.CASCADE, related_name="submitted_versions"
    )
    model_id = models.CharField(max_length=100)
    version = models.PositiveIntegerField(help_text="1, 2, 3 ... of its model.")
    message = models.CharField(
        max_length=LONGEST_REASON, blank=True, help_text="What its author says of it."
    )
    status = models.CharField(
        max_length=8, choices=Status.choices, default=Status.QUEUED
    )
    code = models.CharField(
        max_length=40, blank=True, help_text="Why it is refused, for programs."
    )
    reason = models.TextField(
        blank=True, help_text="Why it is refused, or what its check waits for."
    )
    result = models.JSONField(
        null=True, blank=True, db_column="result_jsonb", help_text="What the check saw."
    )
    content = models.CharField(
        max_length=32, blank=True, help_text="The folder of its code; empty when gone."
    )
    code_hash = models.CharField(max_length=64)
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="How often its check began."
    )
    created_at = models.DateTimeField()
    checked_at = models.DateTimeField(
        null=True, blank=True, help_text="When its check ended."
    )
    live_at = models.DateTimeField(null=True, blank=True)

    objects = SubmittedVersionQuerySet.as_manager()

    class Meta:
        db_table = "submitted_versions"
        ordering = ["-created_at", "-pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["competition", "model_id", "version"],
                name="submitted_version_unique",
            ),
            models.UniqueConstraint(
                fields=["competition", "model_id"],
                condition=Q(status="LIVE"),
                name="submitted_version_one_live",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=["QUEUED", "CHECKING", "LIVE", "REPLACED", "REFUSED"]
                ),
                name="submitted_version_status_known",
            ),
            models.CheckConstraint(
                condition=~Q(status="REFUSED") | ~Q(code="") & ~Q(reason=""),
                name="submitted_version_refused_has_reason",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(status__in=["QUEUED", "CHECKING"]),
                name="submitted_version_waiting",
            ),
            models.Index(
                fields=["cruncher", "created_at"], name="submitted_version_of_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_id} {self.version}"
