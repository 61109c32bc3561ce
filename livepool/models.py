"""Releases as stored by this site, and the shadow tracks beside them."""

from typing import Self

from django.db import models
from django.db.models import Q


class ReleaseQuerySet(models.QuerySet["Release"]):
    def published(self) -> Self:
        return self.filter(status=Release.Status.PUBLISHED)

    def ever_published(self) -> Self:
        """Return what the public may see: also withdrawn ones, none that failed."""
        return self.exclude(published_at=None)

    def current(self) -> "Release | None":
        """Return the release that the document points to: the newest published one."""
        return self.published().order_by("-activated_at", "-pk").first()

    def newest_first(self) -> Self:
        return self.order_by("-as_of_date", "-revision", "-pk")


class Release(models.Model):
    """One version of the pool. A published one is never changed, only superseded."""

    class Status(models.TextChoices):
        PENDING = "PENDING"
        FAILED = "FAILED"
        PUBLISHED = "PUBLISHED"
        WITHDRAWN = "WITHDRAWN"
        REVISED = "REVISED"

    version = models.CharField(max_length=64)
    mode = models.CharField(max_length=40)
    as_of_date = models.DateField()
    revision = models.PositiveSmallIntegerField(
        default=0, help_text="Counts the replacements of a published version."
    )
    status = models.CharField(
        max_length=9, choices=Status.choices, default=Status.PENDING
    )
    source_project = models.CharField(max_length=80)
    symbols = models.JSONField(help_text="The pool, in order.")
    symbol_map = models.JSONField()
    universe = models.JSONField()
    ranking = models.JSONField(help_text="The rows of latest_ranking.csv.")
    refused = models.JSONField(
        default=dict, blank=True, help_text="Why coins are not in the universe."
    )
    regime = models.CharField(max_length=40)
    checksums = models.JSONField(help_text="SHA-256 by file name.")
    storage_prefix = models.CharField(max_length=500, blank=True)
    # What readers are told: of a local store no path of the server.
    shown_prefix = models.GeneratedField(
        expression=models.Func(
            "storage_prefix",
            models.Value("^file:.*/(releases/)"),
            models.Value(r"\1"),
            function="regexp_replace",
        ),
        output_field=models.CharField(max_length=500),
        db_persist=True,
    )
    archived_to = models.CharField(
        max_length=500, blank=True, help_text="Where a revised version is kept."
    )
    reason = models.TextField(
        blank=True, help_text="Why it was revised, withdrawn or brought back."
    )
    actor = models.CharField(max_length=150, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    activated_at = models.DateTimeField(
        null=True, blank=True, help_text="When it last became the current one."
    )

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        db_table = "live_pool_releases"
        ordering = ["-as_of_date", "-revision", "-pk"]
        permissions = [
            ("publish_release", "Can publish the release that is due"),
            ("roll_back_release", "Can roll the live pool back"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["mode", "as_of_date", "revision"], name="release_unique"
            ),
            models.UniqueConstraint(
                fields=["mode", "as_of_date"],
                condition=Q(status="PUBLISHED"),
                name="release_published_once",
            ),
            models.CheckConstraint(
                condition=~Q(status="PUBLISHED")
                | Q(published_at__isnull=False, activated_at__isnull=False),
                name="release_published_has_instants",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        *("PENDING", "FAILED", "PUBLISHED", "WITHDRAWN", "REVISED")
                    ]
                ),
                name="release_status_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} r{self.revision}" if self.revision else self.version


class ShadowTrack(models.Model):
    """The shadow history of one track, as last built; never published."""

    track_id = models.CharField(max_length=40)
    mode = models.CharField(max_length=40)
    profile = models.CharField(max_length=40)
    target = models.CharField(max_length=40)
    source_track = models.CharField(max_length=40)
    candidate_status = models.CharField(max_length=40)
    release_count = models.PositiveIntegerField()
    first_as_of_date = models.DateField(null=True, blank=True)
    last_as_of_date = models.DateField(null=True, blank=True)
    mean_churn = models.FloatField(null=True, blank=True)
    releases = models.JSONField(help_text="The rows of release_index.csv.")
    built_at = models.DateTimeField()

    class Meta:
        db_table = "live_pool_shadow_tracks"
        ordering = ["track_id", "mode"]
        constraints = [
            models.UniqueConstraint(
                fields=["track_id", "mode"], name="shadow_track_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.track_id} ({self.mode})"
