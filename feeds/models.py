"""The site's subscriptions, and the tape as Django may read it (never write)."""

import uuid
from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.http import urlencode

from feeds.tape.records import FeedKey


class FeedSubscriptionQuerySet(models.QuerySet["FeedSubscription"]):
    def due(self, now: datetime) -> Self:
        """Return active subscriptions that are due.

        Also those that were last polled in the future: the site's clock was set back
        since.
        """
        return self.filter(active=True).filter(
            Q(next_poll_at=None) | Q(next_poll_at__lte=now) | Q(last_polled_at__gt=now)
        )


class FeedSubscription(models.Model):
    """A feed that the site collects: source, subject, kind, granularity."""

    source = models.CharField(max_length=40)
    subject = models.CharField(max_length=64)
    kind = models.CharField(max_length=20, default="candle")
    granularity = models.CharField(max_length=8, default="1m")
    active = models.BooleanField(default=True)
    fallbacks = models.JSONField(
        default=list,
        blank=True,
        help_text='Sources asked in turn when the first fails, like ["pyth"]. '
        "Their records keep this feed's name and say in their meta who served them.",
    )
    poll_s = models.FloatField(default=5.0, help_text="Seconds between two pulls.")
    backfill_minutes = models.PositiveIntegerField(
        default=180, help_text="History pulled when the tape has none."
    )
    next_poll_at = models.DateTimeField(null=True, blank=True)
    last_polled_at = models.DateTimeField(null=True, blank=True)
    listened_at = models.DateTimeField(
        null=True, blank=True, help_text="When `manage.py listen` last appended to it."
    )
    listening_lag_ms = models.FloatField(
        null=True,
        blank=True,
        help_text="From an event to the tape, as last seen by `manage.py listen`.",
    )
    serving_source = models.CharField(max_length=40, blank=True)
    last_error = models.TextField(blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    first_error_at = models.DateTimeField(
        "failing since",
        null=True,
        blank=True,
        help_text="When the present run of failed pulls began; NULL if the last"
        " pull succeeded.",
    )
    stale_since = models.DateTimeField(null=True, blank=True, editable=False)
    consecutive_errors = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    objects = FeedSubscriptionQuerySet.as_manager()

    class Meta:
        ordering = ["source", "subject", "kind", "granularity"]
        permissions = [
            ("poll_feedsubscription", "Can poll feeds now"),
            ("activate_feedsubscription", "Can activate feeds"),
            ("pause_feedsubscription", "Can pause feeds"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "subject", "kind", "granularity"],
                name="feed_subscription_unique",
            ),
            models.CheckConstraint(
                condition=Q(poll_s__gt=0), name="feed_poll_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.key.id

    def get_absolute_url(self) -> str:
        """Return its row and chart on the public page; the admin's "View on site"."""
        return f"{reverse('feeds')}?{urlencode({'feed': self.key.id})}"

    @property
    def key(self) -> FeedKey:
        return FeedKey(self.source, self.subject, self.kind, self.granularity)

    @property
    def sources(self) -> list[str]:
        """Return the sources to ask, in order."""
        return [self.source, *self.fallbacks]


class BackfillJobQuerySet(models.QuerySet["BackfillJob"]):
    def active(self) -> Self:
        return self.filter(status__in=BackfillJob.ACTIVE)

    def orphaned(self, now: datetime) -> Self:
        """Return waiting jobs, and those whose worker's lease has run out.

        Also jobs that were touched in the future: the clock was set back since.
        """
        return self.active().filter(
            Q(leased_until=None) | Q(leased_until__lt=now) | Q(updated_at__gt=now)
        )


class BackfillJob(models.Model):
    """A job that loads history of one feed into the tape, Parquet files, or both.

    The range [start_at, cursor_at) is done; whoever takes the job continues there.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    class Sink(models.TextChoices):
        TAPE = "tape"
        PARQUET = "parquet"
        BOTH = "both"

    ACTIVE = (Status.PENDING, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.CharField(max_length=40)
    subject = models.CharField(max_length=64)
    kind = models.CharField(max_length=20)
    granularity = models.CharField(max_length=8)
    sink = models.CharField(max_length=8, choices=Sink, default=Sink.PARQUET)
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    cursor_at = models.DateTimeField()
    page_size = models.PositiveIntegerField(default=500)
    records_written = models.PositiveBigIntegerField(default=0)
    records_refused = models.PositiveBigIntegerField(default=0)
    pages_fetched = models.PositiveIntegerField(default=0)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    error = models.TextField(blank=True)
    lease = models.UUIDField(null=True, blank=True, editable=False)
    # Until then nobody takes the job: its worker works on it, or its source has a
    # pause.
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Failures of the source in a row."
    )
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = BackfillJobQuerySet.as_manager()

    class Meta:
        db_table = "backfill_jobs"
        ordering = ["-created_at", "id"]
        permissions = [
            ("start_backfilljob", "Can start backfills"),
            ("cancel_backfilljob", "Can cancel backfills"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "subject", "kind", "granularity"],
                condition=Q(status__in=["pending", "running"]),
                name="backfill_one_active_per_feed",
            ),
            models.CheckConstraint(
                condition=Q(start_at__lt=F("end_at")), name="backfill_range_forward"
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        "pending",
                        "running",
                        "completed",
                        "failed",
                        "cancelled",
                    ]
                ),
                name="backfill_status_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key.id} {self.start_at:%Y-%m-%d} to {self.end_at:%Y-%m-%d}"

    @property
    def key(self) -> FeedKey:
        return FeedKey(self.source, self.subject, self.kind, self.granularity)

    @property
    def progress_pct(self) -> float:
        done = (self.cursor_at - self.start_at) / (self.end_at - self.start_at)
        return round(min(max(done * 100, 0.0), 100.0), 2)


class FeedRecord(models.Model):
    """A row of the tape. Unmanaged and read-only: `feeds.tape` writes."""

    pk = models.CompositePrimaryKey(
        "source", "subject", "kind", "granularity", "ts_event"
    )
    source = models.TextField()
    subject = models.TextField()
    kind = models.TextField()
    granularity = models.TextField()
    ts_event = models.DateTimeField()
    ts_ingested = models.DateTimeField()
    is_closed = models.BooleanField()
    values = models.JSONField(db_column="values_jsonb")
    meta = models.JSONField(db_column="meta_jsonb")
    revision = models.IntegerField()

    class Meta:
        managed = False
        db_table = '"tape"."feed_records"'

    def __str__(self) -> str:
        return f"{self.source}:{self.subject}:{self.kind}@{self.ts_event}"

    @property
    def provider(self) -> str:
        return self.source

    @property
    def asset(self) -> str:
        return self.subject


class FeedIngestionState(models.Model):
    """The watermark of a feed: its newest closed record. Unmanaged and read-only."""

    id = models.TextField(primary_key=True)
    source = models.TextField()
    subject = models.TextField()
    kind = models.TextField()
    granularity = models.TextField()
    last_event_ts = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()
    record_count = models.BigIntegerField()
    meta = models.JSONField(db_column="meta_jsonb")

    class Meta:
        managed = False
        db_table = '"tape"."feed_ingestion_state"'
        ordering = ["id"]

    def __str__(self) -> str:
        return self.id

    @property
    def provider(self) -> str:
        return self.source

    @property
    def asset(self) -> str:
        return self.subject
