"""The outbox: each fact as a row, which was written in the transaction of the fact."""

from typing import Any

from django.db import models
from django.db.models import Q

from competitions.models import Competition
from core.facts import Kind


class EventQuerySet(models.QuerySet["Event"]):
    def told(self) -> "EventQuerySet":
        """Those that have their place in the order, in it; later ones come behind."""
        return self.filter(number__isnull=False).order_by("number")

    def seen_by(self, user: Any) -> "EventQuerySet":
        """Those of the site, and of competitions that the user may know of."""
        seen = Competition.objects.seen_by(user).order_by().values("pk")
        return self.filter(Q(competition=None) | Q(competition__in=seen))


class Event(models.Model):
    """Something that has happened. Written once; `number` is its place for readers.

    Transactions end in another order than they write, so the primary key is no order
    to follow: outbox.number_events gives the numbers, one caller at a time, to events
    whose transactions have ended.
    """

    number = models.BigIntegerField(null=True, unique=True, editable=False)
    kind = models.CharField(max_length=40, choices=Kind.choices)
    competition = models.ForeignKey(
        Competition,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="events",
        # A round is never to wait for somebody who edits its competition.
        db_constraint=False,
        db_index=False,  # the index below serves
    )
    payload = models.JSONField(default=dict, db_column="payload_jsonb")
    at = models.DateTimeField(help_text="When it happened, by the site's clock.")

    objects = EventQuerySet.as_manager()

    class Meta:
        db_table = "events"
        ordering = ["-number", "-pk"]
        default_permissions = ("view",)
        indexes = [
            models.Index(
                fields=["id"], condition=Q(number__isnull=True), name="event_waiting"
            ),
            models.Index(fields=["competition", "number"], name="event_of_competition"),
            models.Index(fields=["at"], name="event_time"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number or '(not told yet)'}"

    def document(self) -> dict[str, Any]:
        """Return it as the API and webhooks show it (Standard Webhooks' names)."""
        return {
            "id": self.number,
            "type": self.kind,
            "timestamp": self.at.isoformat().replace("+00:00", "Z"),
            "competition": self.competition and self.competition.slug,
            "data": self.payload,
        }
