"""Operate webhooks: show and rotate secrets, replay deliveries."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib.admin.models import CHANGE
from django.db import transaction

from core import audit, clock
from crunchsite.events import secrets
from crunchsite.events.models import Delivery, Webhook
from crunchsite.events.outbox import PATIENCE

# How long the previous secret signs too, so that receivers can change over.
OVERLAP = timedelta(hours=24)


def give_secret(webhook: Webhook) -> str:
    """Give a new webhook its secret and instant; the caller saves the row."""
    secret = secrets.make_secret()
    webhook.secret, webhook.created_at = secrets.seal(secret), clock.now()
    return secret


@transaction.atomic
def show_secret(*, webhook_id: int, reason: str, user: Any) -> str:
    """Return the secret; the trail records who asked, and why."""
    webhook = Webhook.objects.get(pk=webhook_id)
    audit.note(user, [webhook], flag=CHANGE, what=f"Secret shown. Reason: {reason}")
    return secrets.unseal(webhook.secret)


@transaction.atomic
def rotate_secret(*, webhook_id: int, reason: str, user: Any) -> str:
    """Return a new secret; the previous one signs too for OVERLAP."""
    webhook = Webhook.objects.select_for_update().get(pk=webhook_id)
    secret = secrets.make_secret()
    webhook.previous_secret, webhook.secret = webhook.secret, secrets.seal(secret)
    webhook.previous_until = clock.wall_now() + OVERLAP
    webhook.save(update_fields=["secret", "previous_secret", "previous_until"])
    audit.note(user, [webhook], flag=CHANGE, what=f"Secret rotated. Reason: {reason}")
    return secret


@transaction.atomic
def replay(*, deliveries: Iterable[int], user: Any) -> int:
    """Send deliveries that have ended once more; return how many.

    They keep their `webhook-id`. Those that still wait are not changed.
    """
    now = clock.wall_now()
    ended = list(
        Delivery.objects.filter(pk__in=deliveries, next_at=None)
        .select_for_update(of=("self",))
        .select_related("event", "webhook")
    )
    Delivery.objects.filter(pk__in=[each.pk for each in ended]).update(
        next_at=now,
        give_up_at=now + PATIENCE,
        attempts=0,
        last_error="",
        delivered_at=None,
        given_up_at=None,
    )
    audit.note(user, ended, flag=CHANGE, what="Replayed.")
    return len(ended)
