"""Subscribe feeds: choose what is kept on the tape."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings

from core import clock
from feeds.models import FeedSubscription
from feeds.providers.sources import check_feed
from feeds.tape.records import FeedKey


def subscribe(key: FeedKey) -> FeedSubscription:
    """Keep a feed on the tape from now on; activate it again if it exists."""
    check_feed(key)
    subscription, is_new = FeedSubscription.objects.get_or_create(
        **key._asdict(),
        defaults={
            "poll_s": settings.ENV.feed_poll_s,
            "backfill_minutes": settings.ENV.feed_backfill_minutes,
            "created_at": clock.now(),
        },
    )
    if not is_new and not subscription.active:
        subscription.active = True
        subscription.save(update_fields=["active"])
    return subscription


def subscribe_new(
    keys: Sequence[FeedKey],
    *,
    poll_s: float,
    history: timedelta,
    first_poll_at: datetime,
    step: timedelta,
) -> int:
    """Keep many feeds on the tape from now on, all in one statement.

    The first is pulled at `first_poll_at`, each further one `step` later. Existing
    subscriptions stay as their operator left them. Returns how many are new.
    """
    if keys:
        check_feed(keys[0])
    known = set(
        FeedSubscription.objects.filter(source__in={key.source for key in keys})
        .values_list(*FeedKey._fields)
        .iterator()
    )
    new = [key for key in keys if tuple(key) not in known]
    FeedSubscription.objects.bulk_create(
        (
            FeedSubscription(
                **key._asdict(),
                poll_s=poll_s,
                backfill_minutes=history // timedelta(minutes=1),
                next_poll_at=first_poll_at + place * step,
                created_at=clock.now(),
            )
            for place, key in enumerate(new)
        ),
        ignore_conflicts=True,
    )
    return len(new)
