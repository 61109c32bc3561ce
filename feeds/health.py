"""Measure each feed's health: its newest record, its age, missing candles."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from core import clock
from core.facts import Fact, FactKind, announce
from feeds.granularity import seconds
from feeds.models import FeedSubscription
from feeds.tape import reports
from feeds.tape.records import FeedKey, span
from feeds.tape.reports import FeedSummary

log = structlog.get_logger(__name__)

# Gaps are searched in this many of the newest hours.
GAP_HOURS = 3
# Real seconds that a busy site may need for a record, whatever its clock's speed.
PATIENCE_S = 15.0


@dataclass(frozen=True)
class FeedHealth:
    """A subscription with the state of its feed on the tape.

    `age_s` is the time since its newest record was final. `lag_s` is the part of that
    age that the feed's interval and the pause between pulls do not explain; a feed is
    stale if it lags by three times both, and by PATIENCE_S at least. `missing` counts
    the candles that the newest hours lack.
    """

    subscription: FeedSubscription
    summary: FeedSummary | None
    closed_at: datetime | None
    age_s: float | None
    lag_s: float | None
    missing: int
    is_stale: bool


def health(*, now: datetime) -> list[FeedHealth]:
    """Return the health of each active subscription, in few statements."""
    extents = {summary.key: summary for summary in reports.summaries()}
    missing = reports.missing_candles(since=now - timedelta(hours=GAP_HOURS))
    return [
        _one(subscription, extents.get(subscription.key), missing, now=now)
        for subscription in FeedSubscription.objects.filter(active=True)
    ]


def raise_alarms(*, now: datetime) -> int:
    """Log an error for each stale feed; return how many there are.

    Feeds that become stale, or fresh again, are stored and announced.
    """
    rows = health(now=now)
    stale = [row for row in rows if row.is_stale]
    _keep_staleness(rows, now=now)
    for row in stale:
        log.error(
            "feed.stale",
            feed=str(row.subscription),
            age_s=row.age_s,
            last_error=row.subscription.last_error,
        )
    return len(stale)


@transaction.atomic
def _keep_staleness(rows: Iterable[FeedHealth], *, now: datetime) -> None:
    """Store since when feeds are stale; no statement without a change."""
    changed = {
        row.subscription.pk: row
        for row in rows
        if row.is_stale is (row.subscription.stale_since is None)
    }
    if not changed:
        return
    facts = []
    subscriptions = FeedSubscription.objects.select_for_update().in_bulk(changed)
    for pk, subscription in subscriptions.items():
        is_stale = changed[pk].is_stale
        if is_stale is (subscription.stale_since is not None):
            continue  # another process has stored it
        subscription.stale_since = now if is_stale else None
        kind = FactKind.FEED_STALE if is_stale else FactKind.FEED_FRESH
        facts.append(Fact(kind, payload={"feed": str(subscription)}))
    FeedSubscription.objects.bulk_update(subscriptions.values(), ["stale_since"])
    announce(*facts)


def _one(
    subscription: FeedSubscription,
    summary: FeedSummary | None,
    missing: dict[FeedKey, int],
    *,
    now: datetime,
) -> FeedHealth:
    key = subscription.key
    interval_s = seconds(key.granularity)
    patience_s = clock.wall_seconds(PATIENCE_S).total_seconds()
    if summary is None or summary.watermark_ts is None:
        waited = (now - subscription.created_at).total_seconds()
        return FeedHealth(
            subscription,
            summary,
            None,
            None,
            None,
            0,
            waited > 3 * subscription.poll_s + 2 * patience_s,
        )
    closed_at = summary.watermark_ts + span(key.kind, key.granularity)
    age_s = (now - closed_at).total_seconds()
    rhythm_s = interval_s + subscription.poll_s
    lag_s = max(0.0, age_s - rhythm_s)
    return FeedHealth(
        subscription,
        summary,
        closed_at,
        age_s,
        lag_s,
        missing.get(key, 0),
        lag_s > max(3 * rhythm_s, patience_s),
    )
