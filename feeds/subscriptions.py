"""Which feeds are kept on the tape."""

from collections.abc import Sequence

from django.conf import settings

from feeds import clock
from feeds.errors import FeedError, UnknownSourceError, UnknownSubjectError
from feeds.models import FeedSubscription
from feeds.providers import registry
from feeds.providers.base import check_served
from feeds.records import FeedKey
from feeds.tape.checks import NAME


def check_feed(key: FeedKey, *, fallbacks: Sequence[str] = ()) -> None:
    """Raise FeedError for what `key.source`, or one that stands in for it, lacks."""
    if not isinstance(fallbacks, (list, tuple)):
        raise FeedError(f"fallbacks were {fallbacks!r}; give a list of sources")
    for source in (key.source, *fallbacks):
        if source not in registry.names():
            raise UnknownSourceError(
                f"source was {source!r}; "
                f"the known sources are {', '.join(registry.names())}"
            )
    if not NAME.fullmatch(key.subject):
        raise UnknownSubjectError(
            f"subject was {key.subject!r}; give letters, digits, '.', '_' or '-'"
        )
    for source in (key.source, *fallbacks):
        check_served(registry.create(source), key)


def subscribe(
    *, source: str, subject: str, kind: str, granularity: str
) -> FeedSubscription:
    """Keep a feed on the tape from now on; one that exists is made active again."""
    key = FeedKey(source, subject, kind, granularity)
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
