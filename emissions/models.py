"""Checkpoints: closed periods and their payouts."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Func, Q, TextChoices

from competitions.models import Competition

# The permission to confirm and correct payouts; the same in API and admin.
MAY_PAY = "emissions.settle_checkpoint"
LONGEST_TX_HASH = 128
is_tx_hash = RegexValidator(r"^[!-~]+$", "must be printable ASCII without a space.")


class Checkpoint(models.Model):
    """The payout of one period `[period_start, period_end)`; periods never overlap."""

    class Status(TextChoices):
        PENDING = "PENDING"
        SUBMITTED = "SUBMITTED"
        CLAIMABLE = "CLAIMABLE"
        PAID = "PAID"

    competition = models.ForeignKey(
        Competition, on_delete=models.PROTECT, related_name="checkpoints"
    )
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    status = models.CharField(
        max_length=9, choices=Status.choices, default=Status.PENDING
    )
    entries = models.JSONField(
        default=list, db_column="entries_jsonb", help_text="One EmissionCheckpoint."
    )
    meta = models.JSONField(default=dict, db_column="meta_jsonb")
    merkle_root = models.CharField(max_length=64, null=True, blank=True)
    tx_hash = models.CharField(max_length=LONGEST_TX_HASH, null=True, blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "checkpoints"
        ordering = ["-period_end", "-pk"]
        permissions = [("settle_checkpoint", "Can say what paid a checkpoint")]
        constraints = [
            ExclusionConstraint(
                name="checkpoint_periods_disjoint",
                expressions=[
                    ("competition", RangeOperators.EQUAL),
                    (
                        Func(
                            F("period_start"),
                            F("period_end"),
                            function="tstzrange",
                            output_field=DateTimeRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
            models.CheckConstraint(
                condition=Q(period_start__lt=F("period_end")),
                name="checkpoint_period_half_open",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["PENDING", "SUBMITTED", "CLAIMABLE", "PAID"]),
                name="checkpoint_status_known",
            ),
            models.CheckConstraint(
                condition=Q(status="PENDING") | Q(tx_hash__isnull=False),
                name="checkpoint_submitted_has_tx",
            ),
        ]

    def __str__(self) -> str:
        return f"CKP_{self.pk}"
