"""What the site subscribes to, and the tape as Django may read it (never write)."""

from django.db import models
from django.db.models import Q


class FeedSubscription(models.Model):
    """One feed that is kept on the tape: source, subject, kind, granularity."""

    source = models.CharField(max_length=40)
    subject = models.CharField(max_length=64)
    kind = models.CharField(max_length=20, default="candle")
    granularity = models.CharField(max_length=8, default="1m")
    active = models.BooleanField(default=True)
    poll_s = models.FloatField(default=5.0, help_text="Seconds between two pulls.")
    backfill_minutes = models.PositiveIntegerField(
        default=180, help_text="History pulled when the tape has none."
    )
    next_poll_at = models.DateTimeField(null=True, blank=True)
    last_polled_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    consecutive_errors = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["source", "subject", "kind", "granularity"]
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
        return f"{self.source}:{self.subject}:{self.kind}:{self.granularity}"


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
    """How far a feed is complete. Unmanaged and read-only."""

    id = models.TextField(primary_key=True)
    source = models.TextField()
    subject = models.TextField()
    kind = models.TextField()
    granularity = models.TextField()
    last_event_ts = models.DateTimeField(null=True)
    updated_at = models.DateTimeField()
    meta = models.JSONField(db_column="meta_jsonb")

    class Meta:
        managed = False
        db_table = '"tape"."feed_ingestion_state"'
        ordering = ["id"]

    def __str__(self) -> str:
        return self.id
