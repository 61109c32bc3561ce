"""Send due deliveries, each receiver by one worker at a time.

Sending waits for strangers, so it has separate threads: a receiver that hangs occupies
one of them for seconds, then pauses for longer and longer, and occupies none of
Celery's.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

import structlog
from django.db import connections, transaction
from django.db.models import Exists, F, OuterRef, Q

from core import clock
from core.backoff import backoff, spread
from core.errors import OperatorError
from crunchsite.events import secrets
from crunchsite.events.models import LONGEST_PAUSE, SKEW, Delivery, Webhook
from crunchsite.events.sending import Outcome, post

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 8  # receivers, in one process
A_TURN = timedelta(seconds=20)  # deliveries to one receiver before others have a turn
# A turn, its last delivery and a slow resolver take less; after this long its worker is
# dead.
LEASE = timedelta(seconds=120)
BATCH = 50
FIRST_RETRY_S, MOST_RETRY_S = 10.0, LONGEST_PAUSE.total_seconds()
FIRST_REST_S, MOST_REST_S = 5.0, 600.0
LONGEST_REST = timedelta(seconds=MOST_REST_S)

_working: set[Future[int]] = set()
_working_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def begin_turns() -> list[Future[int]]:
    """Start a turn for each receiver with due deliveries, without waiting for them.

    A receiver is claimed by one worker; a claim whose worker has died expires. Returns
    the turns that were started; each returns how many deliveries it sent.
    """
    with _working_lock:
        free = MOST_AT_ONCE - len(_working)
        turns = [_threads().submit(_turn, pk) for pk in claim(free)] if free else []
        _working.update(turns)
    for turn in turns:
        turn.add_done_callback(_forget)
    return turns


@transaction.atomic
def claim(most: int) -> list[int]:
    """Claim receivers with due deliveries and no pause, the longest idle first.

    Returns their keys; receivers that another worker has claimed are skipped. Claims
    and pauses that are longer than they can be are those of a clock that was ahead.
    """
    now = clock.wall_now()
    due = Delivery.objects.due(now).filter(webhook=OuterRef("pk"))
    free = Q(busy_until=None) | Q(busy_until__lte=now)
    rested = Q(rests_until=None) | Q(rests_until__lte=now)
    free |= Q(busy_until__gt=now + LEASE + SKEW)
    rested |= Q(rests_until__gt=now + LONGEST_REST + SKEW)
    chosen = list(
        Webhook.objects.filter(free, rested, Exists(due), active=True)
        .order_by(F("served_at").asc(nulls_first=True), "pk")
        .select_for_update(skip_locked=True)
        .values_list("pk", flat=True)[:most]
    )
    if chosen:
        Webhook.objects.filter(pk__in=chosen).update(
            busy_until=now + LEASE, served_at=now
        )
    return chosen


def take_turn(webhook_id: int) -> int:
    """Send due deliveries to a claimed receiver, until its turn is over or it fails.

    Returns how many deliveries were tried.
    """
    webhook = Webhook.objects.get(pk=webhook_id)
    ends_at = time.monotonic() + A_TURN.total_seconds()
    tried = 0
    try:
        give_up(webhook)
        while batch := _due(webhook):
            for delivery in batch:
                if time.monotonic() >= ends_at:
                    return tried
                tried += 1
                if not _attempt(webhook, delivery):
                    return tried
    finally:
        Webhook.objects.filter(pk=webhook_id).update(busy_until=None)
    return tried


def give_up(webhook: Webhook) -> None:
    """End deliveries that failed for days, with the reason."""
    now = clock.wall_now()
    why = webhook.last_error if webhook.failing_since else "it was not due in time"
    reason = f"given up: {why}"
    Delivery.objects.due(now).filter(webhook=webhook, give_up_at__lte=now).update(
        next_at=None, given_up_at=now, last_error=reason
    )


def _due(webhook: Webhook) -> list[Delivery]:
    return list(
        Delivery.objects.due(clock.wall_now())
        .filter(webhook=webhook)
        .select_related("event__competition")
        .order_by("event__number")[:BATCH]
    )


def _attempt(webhook: Webhook, delivery: Delivery) -> bool:
    """Send one delivery and store the outcome; return whether it arrived."""
    at, body = clock.wall_now(), delivery.event.body()
    try:
        headers = secrets.sign(
            webhook.secrets_at(at),
            message_id=delivery.event.message_id,
            at=at,
            body=body,
        )
        outcome = post(webhook.url, body, headers)
    except OperatorError as error:
        outcome = Outcome(None, str(error))
    _keep(webhook, delivery, outcome)
    return not outcome.error


def _keep(webhook: Webhook, delivery: Delivery, outcome: Outcome) -> None:
    """Store an attempt once: a worker that has lost the claim changes nothing."""
    now, failed = clock.wall_now(), bool(outcome.error)
    rows = Delivery.objects.filter(
        pk=delivery.pk, attempts=delivery.attempts, next_at__isnull=False
    )
    retry_s = backoff(delivery.attempts, first_s=FIRST_RETRY_S, most_s=MOST_RETRY_S)
    with transaction.atomic():
        is_first = rows.update(
            attempts=F("attempts") + 1,
            attempted_at=now,
            last_status=outcome.status,
            last_error=outcome.error,
            delivered_at=None if failed else now,
            next_at=now + timedelta(seconds=spread(retry_s)) if failed else None,
        )
        if is_first and (failed or webhook.failures):
            _keep_standing(webhook, outcome.error, now)
    if failed:
        log.warning(
            "webhook.failed",
            webhook=webhook.pk,
            event_number=delivery.event.number,
            why=outcome.error,
        )


def _keep_standing(webhook: Webhook, error: str, now: datetime) -> None:
    """Let a receiver that fails pause, longer after each failure in a row."""
    if error:
        rest_s = backoff(webhook.failures, first_s=FIRST_REST_S, most_s=MOST_REST_S)
        webhook.rests_until = now + timedelta(seconds=spread(rest_s))
        webhook.failures += 1
        webhook.failing_since = webhook.failing_since or now
        webhook.last_error = error
    else:
        webhook.failures, webhook.failing_since, webhook.rests_until = 0, None, None
    webhook.save(
        update_fields=["failures", "failing_since", "rests_until", "last_error"]
    )


def _turn(webhook_id: int) -> int:
    """Run a turn in a thread of the pool, which keeps no database connection."""
    try:
        return take_turn(webhook_id)
    except Exception:
        log.exception("webhook.turn_failed", webhook=webhook_id)
        raise
    finally:
        connections.close_all()


def _threads() -> ThreadPoolExecutor:
    global _pool  # noqa: PLW0603  made by the process that sends, not by its parent
    if _pool is None:
        _pool = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="webhooks")
    return _pool


def _forget(turn: "Future[int]") -> None:
    with _working_lock:
        _working.discard(turn)
