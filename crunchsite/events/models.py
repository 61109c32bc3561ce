"""The outbox of events, the webhooks, and their deliveries.

Each fact is a row, written in the transaction of the fact.
"""

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import models
from django.db.models import Q

from competitions.models import Competition
from core.errors import OperatorError
from core.facts import FactKind
from core.public_addresses import check_address
from core.texts import one_line

# Between attempts of a delivery; clocks of two workers may differ by the second one.
LONGEST_PAUSE, SKEW = timedelta(hours=6), timedelta(seconds=60)


class EventQuerySet(models.QuerySet["Event"]):
    def published(self) -> "EventQuerySet":
        """Return published events, in order; later ones only follow."""
        return self.filter(number__isnull=False).order_by("number")

    def seen_by(self, user: Any) -> "EventQuerySet":
        """Return events of the site, and of competitions that the user may see."""
        seen = Competition.objects.seen_by(user).order_by().values("pk")
        return self.filter(Q(competition=None) | Q(competition__in=seen))


class Event(models.Model):
    """Something that has happened, written once; `number` is its position for readers.

    Transactions end in another order than they write, so the primary key is no reliable
    order: outbox.number_events numbers the events of committed transactions, one caller
    at a time.
    """

    number = models.BigIntegerField(null=True, unique=True, editable=False)
    kind = models.CharField(max_length=40, choices=FactKind.choices)
    competition = models.ForeignKey(
        Competition,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="events",
        # A round must never wait for somebody who edits its competition.
        db_constraint=False,
        db_index=False,  # the index below is enough
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
        return f"{self.kind} {self.number or '(not published yet)'}"

    def document(self) -> dict[str, Any]:
        """Return the event as API and webhooks show it (names of Standard Webhooks)."""
        return {
            "id": self.number,
            "type": self.kind,
            "timestamp": self.at.isoformat().replace("+00:00", "Z"),
            "competition": self.competition and self.competition.slug,
            "data": self.payload,
        }

    def body(self) -> str:
        """Return the event as it is signed and sent."""
        return json.dumps(self.document(), separators=(",", ":"))

    @property
    def message_id(self) -> str:
        """Return its `webhook-id`, the same in each attempt: receivers skip repeats."""
        return f"evt_{self.number}"


def is_receiver(url: str) -> None:
    """Refuse an address that is not plain http(s), or that is plainly not public."""
    URLValidator(schemes=["http", "https"])(url)
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValidationError("Leave name and password out; messages are signed.")
    if parts.fragment:
        raise ValidationError("Leave out the part behind #; it is not sent.")
    try:
        check_address(parts.hostname or "")
    except OperatorError as error:
        raise ValidationError(f"{error}.") from None
    except ValueError:
        return  # a name: its addresses are checked when it is connected to


class Webhook(models.Model):
    """A receiver: its address, which events it gets, and how it has answered lately.

    All instants except those of the admin's trail are real time, as for receivers.
    """

    name = models.CharField(max_length=80, unique=True)
    url = models.CharField(max_length=500, validators=[is_receiver])
    kinds = ArrayField(
        models.CharField(max_length=40, choices=FactKind.choices),
        default=list,
        blank=True,
        help_text="The types of events that it gets. None chosen: all.",
    )
    competition = models.ForeignKey(
        Competition,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="webhooks",
        help_text="The competition whose events it gets. Empty: all that are not"
        " drafts, and the site.",
    )
    active = models.BooleanField(default=True)
    secret = models.TextField(editable=False)
    previous_secret = models.TextField(blank=True, editable=False)
    previous_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    busy_until = models.DateTimeField(null=True, editable=False)
    served_at = models.DateTimeField(null=True, editable=False)
    rests_until = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(
        default=0, editable=False, help_text="Failures in a row."
    )
    failing_since = models.DateTimeField(null=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)

    class Meta:
        db_table = "webhooks"
        ordering = ["name"]
        permissions = [("secret_webhook", "Can see and rotate the secret of webhook")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a name that cannot be shown."""
        if self.name != one_line(self.name, limit=80):
            raise ValidationError(
                {"name": "This holds a character that cannot be shown."}
            )

    def secrets_at(self, at: datetime) -> list[str]:
        """Return the encrypted secrets that sign: the present, for a while the last."""
        is_kept = self.previous_until is not None and at < self.previous_until
        return [self.secret, *([self.previous_secret] if is_kept else [])]


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self, now: datetime) -> "DeliveryQuerySet":
        """Return deliveries that are to be sent now.

        One that waits for longer than any pause was put off while a clock was ahead.
        """
        is_astray = Q(next_at__gt=now + LONGEST_PAUSE + SKEW)
        return self.filter(Q(next_at__lte=now) | is_astray)


class Delivery(models.Model):
    """An event on its way to a receiver; `next_at` is NULL once it has ended."""

    event = models.ForeignKey(
        Event, on_delete=models.CASCADE, related_name="deliveries"
    )
    webhook = models.ForeignKey(
        # The unique constraint serves as its index.
        Webhook,
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_index=False,
    )
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    give_up_at = models.DateTimeField()
    attempted_at = models.DateTimeField(null=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.TextField(blank=True)
    delivered_at = models.DateTimeField(null=True)
    given_up_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        db_table = "deliveries"
        ordering = ["-pk"]
        verbose_name_plural = "deliveries"
        default_permissions = ("view",)
        permissions = [("replay_delivery", "Can send deliveries again")]
        constraints = [
            models.UniqueConstraint(
                fields=["webhook", "event"], name="delivery_unique"
            ),
            models.CheckConstraint(
                condition=Q(next_at__isnull=False)
                | Q(delivered_at__isnull=False)
                | Q(given_up_at__isnull=False),
                name="delivery_ends_with_an_outcome",
            ),
        ]
        indexes = [
            models.Index(
                fields=["webhook", "next_at"],
                condition=Q(next_at__isnull=False),
                name="delivery_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}"

    @property
    def state(self) -> str:
        """Return `delivered`, `given up`, `failing` or `waiting`."""
        if self.next_at is None:
            return "delivered" if self.delivered_at else "given up"
        return "failing" if self.last_error else "waiting"
