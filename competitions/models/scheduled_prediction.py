"""The questions that a competition asks on a grid."""

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import ExpressionWrapper, F, Q, Value

from competitions.models.competition import Competition
from competitions.scopes import subject_in
from feeds import granularity
from feeds.errors import FeedError
from feeds.providers.sources import check_feed


class ScheduledPredictionQuerySet(models.QuerySet["ScheduledPrediction"]):
    def due(self, now: datetime) -> "ScheduledPredictionQuerySet":
        """Return schedules whose next slot is due, missing or impossible.

        It is missing if a schedule was just added or resumed. It is impossible if it
        lies further ahead than one interval, or if the schedule does not run.
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
        help_text="The first slot since it last started; earlier ones do not count"
        " as missed.",
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

    def clean(self) -> None:
        """Refuse schedules that cannot resolve, and edits that earlier rounds bar."""
        if not isinstance(self.scope_template, dict):
            raise ValidationError({"scope_template": "Give an object of JSON."})
        problems = {**self._unresolvable(), **self._late_edits()}
        if problems:
            raise ValidationError(problems)

    def _unresolvable(self) -> dict[str, str]:
        competition: Any = getattr(self, "competition", None)
        if competition is None or self.resolve_horizon_s is None:
            return {}  # the form reports the problem at another field
        try:
            length_s = granularity.seconds(competition.feed_granularity)
            if self.subject:
                check_feed(competition.feed(self.subject))
        except FeedError as error:
            return {"scope_template": f"{error}."}
        if 0 < self.resolve_horizon_s < length_s:
            return {
                "resolve_horizon_s": "It is shorter than a candle of the feed, "
                f"{length_s} s."
            }
        return {}

    def _late_edits(self) -> dict[str, str]:
        before = ScheduledPrediction.objects.filter(pk=self.pk).first()
        if before is None or not before.rounds.exists():
            return {}
        why = (
            "Its rounds have asked {}, and one board would average two questions: add "
            "a schedule with a scope key of its own, and make this one inactive."
        )
        problems = {}
        if before.scope_key != self.scope_key:
            problems["scope_key"] = why.format(f"as {before.scope_key}")
        if before.subject != self.subject:
            problems["scope_template"] = why.format(f"about {before.subject or 'it'}")
        if before.resolve_horizon_s != self.resolve_horizon_s:
            problems["resolve_horizon_s"] = why.format(
                f"{before.resolve_horizon_s} s ahead"
            )
        return problems

    @property
    def subject(self) -> str:
        """Return the scope's subject, in either spelling; empty for the contract's."""
        return subject_in(self.scope_template)

    @property
    def is_running(self) -> bool:
        """Whether slots of this schedule become rounds."""
        return self.active and self.competition.status == Competition.Status.ACTIVE

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.prediction_interval_s)

    @property
    def horizon(self) -> timedelta:
        return timedelta(seconds=self.resolve_horizon_s)
