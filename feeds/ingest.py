"""Pull new records: each due subscription, from its watermark until now."""

import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from threading import BoundedSemaphore

import structlog

from core import clock
from core.backoff import backoff
from core.texts import message_of, readable
from feeds import health
from feeds.errors import FeedError, ProviderError, ProviderSettingError
from feeds.models import FeedSubscription
from feeds.providers import sources
from feeds.providers.base import FetchRequest, Provider
from feeds.providers.pull import pages, since
from feeds.tape import reads, reports
from feeds.tape.records import FeedRecord, span
from feeds.tape.writes import AppendResult, append
from feeds.turns import turn_at

log = structlog.get_logger(__name__)

# Real seconds. A long catch-up is released after the turn, and continued at once by any
# free worker.
TURN_S = 20.0
LONGEST_BACKOFF_S = 300.0
SETTING_BACKOFF_S = 3600.0
MOST_REPAIRS = 20
# Feeds of one source that a process pulls at once. One that does not answer must not
# occupy all threads, of which a worker has eight.
MOST_OF_A_SOURCE = 4

_places: dict[str, BoundedSemaphore] = defaultdict(
    lambda: BoundedSemaphore(MOST_OF_A_SOURCE)
)


@dataclass
class Pulled:
    """The result of one turn."""

    records: int = 0
    is_complete: bool = True

    def add(self, result: AppendResult) -> None:
        self.records += result.new + result.updated


@lru_cache(maxsize=32)
def provider_of(source: str) -> Provider:
    """Return the process's one provider of this name: it may hold connections."""
    return sources.create(source)


def ingest_due(*, only: Collection[int] | None = None) -> int:
    """Pull every due subscription that nobody else is pulling; return how many.

    `only` limits it to subscriptions with these primary keys. One whose source is busy
    in this process is left to the next call.
    """
    due = FeedSubscription.objects.due(clock.now())
    if only is not None:
        due = due.filter(pk__in=only)
    pulled = 0
    for subscription in due:
        place = _places[subscription.source]
        if not place.acquire(blocking=False):
            continue
        try:
            with turn_at(subscription) as mine:
                if mine is not None:
                    take_turn(mine, turn_s=TURN_S)
                    pulled += 1
        finally:
            place.release()
    return pulled


def take_turn(subscription: FeedSubscription, *, turn_s: float) -> bool:
    """Pull a subscription that the caller holds, and store the outcome on its row.

    Returns whether all new records were fetched.
    """
    began_at = clock.now()
    _answer_request(subscription, began_at)
    try:
        turn = pull(subscription, turn_s=turn_s)
    except Exception as error:  # noqa: BLE001  one broken feed must not stop the others
        _note_failure(subscription, error)
        return False
    _note_success(subscription, turn, began_at)
    return turn.is_complete


def pull(subscription: FeedSubscription, *, turn_s: float) -> Pulled:
    """Fetch and append, asking the subscription's sources in turn until one answers.

    What remains after `turn_s` real seconds is left for another turn. Raises FeedError
    with each source's error when none answers.
    """
    failures: list[FeedError] = []
    for source in subscription.sources:
        try:
            turn = _pull_from(subscription, source, turn_s)
        except FeedError as error:
            failures.append(error)
            log.warning(
                "feed.source_failed", feed=str(subscription), source=source, error=error
            )
        else:
            subscription.serving_source = source
            subscription.last_error = readable("; ".join(map(message_of, failures)))
            if failures:
                log.error("feed.failed_over", feed=str(subscription), to=source)
            return turn
    if len(failures) == 1:
        raise failures[0]
    raise ProviderError("; ".join(map(message_of, failures)))


def _pull_from(subscription: FeedSubscription, source: str, turn_s: float) -> Pulled:
    provider = provider_of(source)
    now = clock.now()
    request = _request(
        subscription,
        provider,
        start=_asked_from(subscription, now),
        end=now + timedelta(seconds=1),
    )
    turn = Pulled()
    until = time.monotonic() + turn_s
    for page in pages(provider, request):
        turn.add(append(as_served(page, subscription)))
        if time.monotonic() > until:
            turn.is_complete = False
            break
    return turn


def _asked_from(subscription: FeedSubscription, now: datetime) -> datetime:
    """Return the newest closed record's instant, or where the wanted history begins."""
    key = subscription.key
    newest_at = reads.watermark(key=key)
    if newest_at is not None and newest_at > now:
        # The watermark was set while the clock was ahead.
        newest = reads.newest_closed(key=key, at=now, limit=1)
        newest_at = newest[-1].ts_event if newest else None
    if newest_at is None:
        wanted = timedelta(minutes=subscription.backfill_minutes)
        # Two lengths always contain the newest closed candle.
        return now - max(wanted, 2 * span(key.kind, key.granularity))
    return since(subscription.kind, newest_at)


def recent_gaps(subscription: FeedSubscription) -> list[tuple[datetime, datetime]]:
    """Return the gaps [start, end) in the subscription's newest hours."""
    now = clock.now()
    since = now - timedelta(hours=health.GAP_HOURS)
    return reports.gaps(subscription.key, since=since, until=now)


def repair_gaps() -> int:
    """Request candles that each feed's newest hours lack; return how many came.

    If an exchange was closed, the gap stays, and is requested until it is older than
    those hours.
    """
    repaired = 0
    for subscription in FeedSubscription.objects.filter(active=True):
        try:
            repaired += _repair(subscription)
        except Exception as error:  # noqa: BLE001  one broken feed must not stop the others
            log.warning(
                "feed.repair_failed", feed=str(subscription), error=message_of(error)
            )
    return repaired


def _repair(subscription: FeedSubscription) -> int:
    provider = provider_of(subscription.source)
    repaired = 0
    for start, end in recent_gaps(subscription)[:MOST_REPAIRS]:
        request = _request(subscription, provider, start=start, end=end)
        for page in pages(provider, request):
            repaired += append(as_served(page, subscription)).new
    return repaired


def _request(
    subscription: FeedSubscription,
    provider: Provider,
    *,
    start: datetime,
    end: datetime,
) -> FetchRequest:
    return FetchRequest(
        subject=subscription.subject,
        kind=subscription.kind,
        granularity=subscription.granularity,
        start=start,
        end=end,
        limit=provider.page_limit,
    )


def as_served(
    page: list[FeedRecord], subscription: FeedSubscription
) -> list[FeedRecord]:
    """Give records the subscription's source; `meta` names a fallback that was used."""
    return [
        record
        if record.source == subscription.source
        else replace(
            record,
            source=subscription.source,
            meta={**record.meta, "served_by": record.source},
        )
        for record in page
    ]


def _note_success(
    subscription: FeedSubscription, turn: Pulled, began_at: datetime
) -> None:
    wait_s = subscription.poll_s if turn.is_complete else 0.0
    changes: dict[str, object] = {
        "consecutive_errors": 0,
        "first_error_at": None,
        "serving_source": subscription.serving_source,
    }
    if subscription.last_error:
        changes |= {"last_error": subscription.last_error, "last_error_at": began_at}
    _put_off(subscription, began_at, timedelta(seconds=wait_s), **changes)
    if turn.records:
        log.debug("feed.pulled", feed=str(subscription), records=turn.records)


def _note_failure(subscription: FeedSubscription, error: Exception) -> None:
    errors = subscription.consecutive_errors + 1
    if isinstance(error, ProviderSettingError):
        wait_s = SETTING_BACKOFF_S
    else:
        wait_s = backoff(errors, first_s=1.0, most_s=LONGEST_BACKOFF_S)
    if isinstance(error, ProviderError) and error.retry_after_s:
        wait_s = max(wait_s, error.retry_after_s)
    now = clock.now()
    text = message_of(error)
    log.warning("feed.failed", feed=str(subscription), error=text, errors=errors)
    _put_off(
        subscription,
        now,
        clock.wall_seconds(wait_s),
        consecutive_errors=errors,
        last_error=text,
        last_error_at=now,
        first_error_at=min(subscription.first_error_at or now, now),
    )


def _answer_request(subscription: FeedSubscription, now: datetime) -> None:
    """Replace a request to poll at once, which is NULL, by `now`.

    So another request during the pull can be distinguished from the first.
    """
    asked = FeedSubscription.objects.filter(pk=subscription.pk, next_poll_at=None)
    if subscription.next_poll_at is None and asked.update(next_poll_at=now):
        subscription.next_poll_at = now


def _put_off(
    subscription: FeedSubscription, now: datetime, wait: timedelta, **changes: object
) -> None:
    """Set the next poll, unless somebody has requested one meanwhile.

    Both instants come from one reading of the clock. If the clock is set back later,
    the last poll lies in the future, and the feed counts as due.
    """
    changes |= {"next_poll_at": now + wait, "last_polled_at": now}
    FeedSubscription.objects.filter(
        pk=subscription.pk, next_poll_at=subscription.next_poll_at
    ).update(**changes)
    for name, value in changes.items():
        setattr(subscription, name, value)
