"""Problems of the site's parts that need a person, for the flight deck."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q
from django.urls import reverse

from core import clock, heartbeats
from core.texts import counted
from crunchsite.celery import QUEUES
from crunchsite.events.models import Webhook
from crunchsite.operator.troubles import Trouble
from feeds.errors import TapeError
from feeds.health import health
from livepool.release import schedule
from proofs.standing import log_troubles

DELIVERED_IN = timedelta(minutes=5)


def silent_processes() -> Iterator[Trouble]:
    for silence in heartbeats.silences(QUEUES):
        yield Trouble(
            what=silence.what,
            where={"beat": "Beat", "worker": "Workers"}[silence.who],
            since=silence.since,
            url=reverse("readyz"),
        )


def stale_feeds(now: datetime) -> Iterator[Trouble]:
    """Yield feeds that fail, or whose newest record is too old."""
    try:
        rows = health(now=now)
    except TapeError as error:
        yield Trouble(
            what=str(error), where="The tape", since=None, url=reverse("readyz")
        )
        return
    for row in rows:
        feed = row.subscription
        if not (row.is_stale or feed.consecutive_errors):
            continue
        what = "The newest record is too old."
        if row.closed_at is None:
            what = "No record has come yet."
        if feed.consecutive_errors:
            pulls = counted(feed.consecutive_errors, "pull")
            what = f"{pulls} in a row failed: {feed.last_error}"
        yield Trouble(
            what=what,
            where=str(feed),
            since=feed.first_error_at or row.closed_at or feed.created_at,
            url=reverse("feeds"),
            is_severe=row.is_stale,
        )


def unsigned_log() -> Iterator[Trouble]:
    """Yield what keeps the site's log from being signed."""
    for trouble in log_troubles():
        yield Trouble(
            what=trouble.what,
            where="The log",
            since=trouble.since,
            url=reverse("readyz"),
        )


def overdue_pool() -> Iterator[Trouble]:
    """Yield a live pool that is late, stale, or whose last publication failed."""
    pool = schedule.status()
    url = reverse("admin:livepool_release_changelist")
    if pool.state in {"late", "stale"}:
        age = counted(pool.age_days or 0, "day")
        yield Trouble(
            what=f"The live pool is {pool.state}: {age} old.",
            where=pool.version or "live pool",
            since=pool.overdue_since or pool.next_expected_by,
            url=url,
        )
    if pool.last_error_version:
        yield Trouble(
            what=f"Not published: {pool.last_error}",
            where=pool.last_error_version or "live pool",
            since=None,
            url=url,
        )


def failing_webhooks() -> Iterator[Trouble]:
    """Yield receivers that fail, or whose events wait for too long."""
    now = clock.wall_now()
    waiting = Count("deliveries", filter=Q(deliveries__next_at__isnull=False))
    since = Min(
        "deliveries__next_at", filter=Q(deliveries__next_at__lte=now - DELIVERED_IN)
    )
    for webhook in Webhook.objects.filter(active=True).annotate(
        waiting=waiting, late_since=since
    ):
        if webhook.failing_since is None and webhook.late_since is None:
            continue
        verb = "waits" if webhook.waiting == 1 else "wait"
        fails = f", and it fails: {webhook.last_error}" if webhook.failing_since else ""
        yield Trouble(
            what=f"{counted(webhook.waiting, 'event')} {verb} for it{fails}.",
            where=f"Webhook {webhook}",
            since=webhook.failing_since or webhook.late_since,
            url=reverse("admin:events_webhook_change", args=[webhook.pk]),
            is_severe=False,
        )
