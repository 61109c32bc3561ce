"""A competition: its feed, intervals, wiring and state."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Case, F, Q, TextChoices, When
from django.db.models.functions import NullIf
from django.db.models.lookups import Exact

from core.acts import SEE_ALL, bound_to, may
from feeds.errors import FeedError, UnknownGranularityError, UnknownKindError
from feeds.providers.sources import check_feed
from feeds.tape.records import FeedKey

SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
SLUG = RegexValidator(
    SLUG_PATTERN,
    "Use lower-case letters and digits in groups separated by single dashes.",
)


class CompetitionQuerySet(models.QuerySet["Competition"]):
    def active(self) -> "CompetitionQuerySet":
        return self.filter(status=Competition.Status.ACTIVE)

    def held(self) -> "CompetitionQuerySet":
        """Lock rows, before those of their schedules, against others who change them.

        Rows that refer to them are written meanwhile: whoever writes a round holds a
        schedule, and would wait for a change that waits for the schedule.
        """
        return self.select_for_update(no_key=True)

    def shown(self) -> "CompetitionQuerySet":
        """Return all but drafts: the active ones first, then by creation."""
        return self.exclude(status=Competition.Status.DRAFT).in_order()

    def seen_by(self, user: Any) -> "CompetitionQuerySet":
        """Return those that a user may see: all with SEE_ALL, else `shown`.

        A key that is bound to a competition knows of no other.
        """
        seen = self.in_order() if may(user, SEE_ALL) else self.shown()
        bound = bound_to(user)
        return seen if bound is None else seen.filter(pk=bound)

    def in_order(self) -> "CompetitionQuerySet":
        """Order the active ones first and drafts last, then by creation."""
        status = Competition.Status
        place = Case(
            When(status=status.ACTIVE, then=0),
            When(status=status.DRAFT, then=2),
            default=1,
        )
        return self.order_by(place, "pk")


class Competition(models.Model):
    """A competition: feed, intervals, wiring and emissions; made from a pack."""

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
        default=60,
        help_text="The cadence that it was designed for: the first value of the"
        " score interval.",
    )
    interval_rationale = models.TextField(
        blank=True, help_text="Why this cadence was chosen, for whoever changes it."
    )
    score_interval_s = models.PositiveIntegerField(default=10)
    snapshot_period_s = models.PositiveIntegerField(default=3600)
    emission_interval_s = models.PositiveIntegerField(
        default=604_800,
        help_text="A multiple of the snapshot period; 0 for no emissions.",
    )
    next_score_at = models.DateTimeField(null=True, blank=True)
    crunch_pubkey = models.CharField(max_length=64, blank=True)
    network = models.CharField(max_length=20, default="devnet")
    compute_provider = models.CharField(max_length=64, blank=True)
    data_provider = models.CharField(max_length=64, blank=True)
    activated_at = models.DateTimeField(null=True, blank=True)
    ending_at = models.DateTimeField(
        null=True, blank=True, help_text="When an operator pressed End."
    )
    created_at = models.DateTimeField()
    as_written = models.JSONField(
        default=dict,
        editable=False,
        db_column="as_written_jsonb",
        help_text="What the files that it was made from said when they were last "
        "applied: place to field to value.",
    )

    objects = CompetitionQuerySet.as_manager()

    class Meta:
        db_table = "competitions"
        ordering = ["slug"]
        permissions = [
            ("activate_competition", "Can activate competition"),
            ("pause_competition", "Can pause competition"),
            ("end_competition", "Can end competition"),
            ("predict_competition", "Can ask a competition's models now"),
            ("score_competition", "Can score a competition now"),
            ("rescore_competition", "Can score a stretch of a competition again"),
            ("void_competition", "Can void a stretch of a competition"),
        ]
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
                ),
                name="competition_intervals_positive",
                violation_error_message="An interval is at least one second.",
            ),
            models.CheckConstraint(
                condition=Q(slug__regex=SLUG_PATTERN),
                name="competition_slug_valid",
                violation_error_message=str(SLUG.message),
            ),
            # Otherwise a snapshot would count in two checkpoints.
            models.CheckConstraint(
                condition=Exact(
                    F("emission_interval_s") % NullIf(F("snapshot_period_s"), 0), 0
                ),
                name="competition_emissions_whole_periods",
                violation_error_message="The emission interval must be a multiple of "
                "the snapshot period.",
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        """Refuse a feed without a provider, and edits that earlier rounds forbid."""
        problems = {**self._feed_problems(), **self._late_edits()}
        if problems:
            raise ValidationError(problems)

    def _feed_problems(self) -> dict[str, str]:
        try:
            check_feed(self.feed("ANY"))
        except UnknownKindError as error:
            return {"feed_kind": f"{error}."}
        except UnknownGranularityError as error:
            return {"feed_granularity": f"{error}."}
        except FeedError as error:
            return {"feed_source": f"{error}."}
        return {}

    def _late_edits(self) -> dict[str, str]:
        before = Competition.objects.filter(pk=self.pk).first()
        if before is None or before.activated_at is None:
            return {}
        problems = {}
        if before.slug != self.slug:
            problems["slug"] = (
                f"It was {before.slug} when it began: models, boards and links go by "
                "that. Change the name instead."
            )
        feed = ("feed_source", "feed_kind", "feed_granularity")
        changed = [
            name for name in feed if getattr(self, name) != getattr(before, name)
        ]
        if changed and (
            before.status == self.Status.ACTIVE
            or self.rounds.filter(status="RECEIVED").exists()
        ):
            problems[changed[0]] = (
                "Rounds are waiting for their truth from the feed as it was: pause the "
                "competition, and change it when they have ended."
            )
        return problems

    def feed(self, subject: str) -> FeedKey:
        """Return the feed of a subject."""
        return FeedKey(self.feed_source, subject, self.feed_kind, self.feed_granularity)
