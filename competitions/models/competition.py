"""A competition and the questions it asks on a grid."""

from datetime import datetime, timedelta

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Case, ExpressionWrapper, F, Q, TextChoices, Value, When

SLUG = RegexValidator(
    r"^[a-z0-9]+(-[a-z0-9]+)*$",
    "Use lower-case letters and digits in groups separated by single dashes.",
)


class CompetitionQuerySet(models.QuerySet["Competition"]):
    def active(self) -> "CompetitionQuerySet":
        return self.filter(status=Competition.Status.ACTIVE)

    def shown(self) -> "CompetitionQuerySet":
        """All but drafts: the active ones first, then as they were made."""
        status = Competition.Status
        active_first = Case(When(status=status.ACTIVE, then=0), default=1)
        return self.exclude(status=status.DRAFT).order_by(active_first, "pk")


class Competition(models.Model):
    """What is asked, how often, how it ranks and what it pays; wired by a pack."""

    class Status(TextChoices):
        DRAFT = "DRAFT"
        ACTIVE = "ACTIVE"
        PAUSED = "PAUSED"
        ENDED = "ENDED"

    slug = models.CharField(max_length=80, unique=True, validators=[SLUG])
    name = models.CharField(max_length=120)
    status = models.CharField(
        max_length=8, choices=Status.choices, default=Status.DRAFT
    )
    pack = models.CharField(max_length=80)
    config_path = models.CharField(
        max_length=200, blank=True, help_text="The contract, module:attribute."
    )
    slots = models.JSONField(
        default=dict,
        blank=True,
        db_column="slots_jsonb",
        help_text="Callable slots that differ from the contract's, slot to path.",
    )
    feed_source = models.CharField(max_length=40)
    feed_kind = models.CharField(max_length=20, default="candle")
    feed_granularity = models.CharField(max_length=8, default="1m")
    checkpoint_interval_s = models.PositiveIntegerField(
        default=60, help_text="Loop cadence of the pack."
    )
    score_interval_s = models.PositiveIntegerField(default=10)
    snapshot_period_s = models.PositiveIntegerField(default=3600)
    emission_interval_s = models.PositiveIntegerField(default=604_800)
    next_score_at = models.DateTimeField(null=True, blank=True)
    crunch_pubkey = models.CharField(max_length=64, blank=True)
    network = models.CharField(max_length=20, default="devnet")
    compute_provider = models.CharField(max_length=64, blank=True)
    data_provider = models.CharField(max_length=64, blank=True)
    activated_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    objects = CompetitionQuerySet.as_manager()

    class Meta:
        db_table = "competitions"
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["DRAFT", "ACTIVE", "PAUSED", "ENDED"]),
                name="competition_status_known",
            ),
            models.CheckConstraint(
                condition=Q(
                    checkpoint_interval_s__gt=0,
                    score_interval_s__gt=0,
                    snapshot_period_s__gt=0,
                    emission_interval_s__gt=0,
                ),
                name="competition_intervals_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class ScheduledPredictionQuerySet(models.QuerySet["ScheduledPrediction"]):
    def due(self, now: datetime) -> "ScheduledPredictionQuerySet":
        """Those whose next slot has come, is missing, or is where it cannot be.

        It is missing where a schedule was just added or taken up again; it cannot be
        further ahead than an interval, nor wait for what does not run.
        """
        runs = Q(active=True, competition__status=Competition.Status.ACTIVE)
        latest = ExpressionWrapper(
            Value(now) + F("prediction_interval_s") * Value(timedelta(seconds=1)),
            output_field=models.DateTimeField(),
        )
        return self.filter(
            (
                runs
                & (
                    Q(next_slot_at__lte=now)
                    | Q(next_slot_at__isnull=True)
                    | Q(next_slot_at__gt=latest)
                )
            )
            | (~runs & Q(next_slot_at__isnull=False))
        )


class ScheduledPrediction(models.Model):
    """One question, asked at each multiple of its interval since the epoch."""

    competition = models.ForeignKey(
        Competition, on_delete=models.CASCADE, related_name="scheduled_predictions"
    )
    scope_key = models.CharField(max_length=120)
    scope_template = models.JSONField(default=dict, db_column="scope_template_jsonb")
    prediction_interval_s = models.PositiveIntegerField()
    resolve_horizon_s = models.PositiveIntegerField()
    active = models.BooleanField(default=True)
    order = models.IntegerField(default=0)
    meta = models.JSONField(default=dict, blank=True, db_column="meta_jsonb")
    starts_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The first slot since it last began; none before it was missed.",
    )
    next_slot_at = models.DateTimeField(null=True, blank=True)

    objects = ScheduledPredictionQuerySet.as_manager()

    class Meta:
        db_table = "scheduled_prediction_configs"
        ordering = ["competition", "order", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["competition", "scope_key"], name="scheduled_scope_unique"
            ),
            models.CheckConstraint(
                condition=Q(prediction_interval_s__gt=0),
                name="scheduled_interval_positive",
            ),
        ]
        indexes = [
            models.Index(
                F("next_slot_at"), condition=Q(active=True), name="scheduled_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.competition.slug}/{self.scope_key}"

    @property
    def is_running(self) -> bool:
        """Whether its slots become rounds."""
        return self.active and self.competition.status == Competition.Status.ACTIVE

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.prediction_interval_s)

    @property
    def horizon(self) -> timedelta:
        return timedelta(seconds=self.resolve_horizon_s)
