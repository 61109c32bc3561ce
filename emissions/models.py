"""Checkpoints: closed periods, their payouts, disputes, and the ledger of both."""

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Func, Q, TextChoices

from competitions.models import Competition

# The permission to confirm and correct payouts; the same in API and admin.
MAY_PAY = "emissions.settle_checkpoint"
# The permission to dispute a checkpoint before it is confirmed.
MAY_DISPUTE = "emissions.dispute_checkpoint"
LONGEST_TX_HASH = 128
LONGEST_WHY = 1000
is_tx_hash = RegexValidator(r"^[!-~]+$", "must be printable ASCII without a space.")
PREFIX = "CKP_"  # of a checkpoint's key, as everybody writes it


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
    challenge_ends_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Until then it can be disputed, and is not confirmed.",
    )
    needs_two = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether nobody takes two steps of it in a row.",
    )
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        related_name="+",
        null=True,
        blank=True,
        help_text="Who took its last step.",
    )

    class Meta:
        db_table = "checkpoints"
        ordering = ["-period_end", "-pk"]
        permissions = [
            ("settle_checkpoint", "Can say what paid a checkpoint"),
            ("dispute_checkpoint", "Can dispute a checkpoint"),
        ]
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
        return f"{PREFIX}{self.pk}"


class Dispute(models.Model):
    """An objection to a pending checkpoint, with its reason and its answer."""

    class State(TextChoices):
        OPEN = "OPEN"
        UPHELD = "UPHELD"
        REJECTED = "REJECTED"

    checkpoint = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, related_name="disputes"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    reason = models.CharField(max_length=LONGEST_WHY)
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    answer = models.CharField(max_length=LONGEST_WHY, blank=True, default="")
    created_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "checkpoint_disputes"
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["checkpoint", "author"],
                condition=Q(state="OPEN"),
                name="dispute_one_open_of_each",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["OPEN", "UPHELD", "REJECTED"]),
                name="dispute_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="OPEN", answered_at=None)
                | (~Q(state="OPEN") & Q(answered_at__isnull=False) & ~Q(answer="")),
                name="dispute_answered_with_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"Dispute {self.pk} of {self.checkpoint}"


class PayoutEntryQuerySet(models.QuerySet["PayoutEntry"]):
    def in_order(self) -> "PayoutEntryQuerySet":
        """Return the lines as they were written, the first one first."""
        return self.order_by("created_at", "pk")


class PayoutEntry(models.Model):
    """One line of the ledger: what is due to a cruncher, was paid, or was moved.

    Lines are added and never changed; the database refuses both.
    """

    class Kind(TextChoices):
        DUE = "DUE"
        PAID = "PAID"
        ADJUSTMENT = "ADJUSTMENT"

    checkpoint = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, related_name="ledger", db_index=False
    )
    cruncher_index = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    amount = models.BigIntegerField(
        help_text="Billionths of what the checkpoint pays; an adjustment has a sign."
    )
    reason = models.CharField(max_length=LONGEST_WHY, blank=True, default="")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
    )
    created_at = models.DateTimeField()

    objects = PayoutEntryQuerySet.as_manager()

    class Meta:
        db_table = "payout_entries"
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(
                fields=["checkpoint", "cruncher_index"], name="payout_of_cruncher"
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["checkpoint", "cruncher_index", "kind"],
                condition=Q(kind__in=["DUE", "PAID"]),
                name="payout_due_and_paid_once",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["DUE", "PAID"], amount__gt=0)
                | (Q(kind="ADJUSTMENT") & ~Q(amount=0) & ~Q(reason="")),
                name="payout_amount_fits_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} to {self.cruncher_index}"


class IdleStretch(models.Model):
    """Whole periods `[start_at, end_at)` that got no checkpoint, and why."""

    competition = models.ForeignKey(
        Competition, on_delete=models.CASCADE, related_name="idle_stretches"
    )
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    reason = models.CharField(max_length=LONGEST_WHY)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "idle_stretches"
        ordering = ["-start_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["competition", "start_at"], name="idle_stretch_once"
            ),
            models.CheckConstraint(
                condition=Q(start_at__lt=F("end_at")), name="idle_stretch_half_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.start_at:%Y-%m-%d %H:%M} to {self.end_at:%Y-%m-%d %H:%M}"
