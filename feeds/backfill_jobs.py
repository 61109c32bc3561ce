"""Start and cancel backfill jobs, and release them for another worker."""

import uuid
from datetime import datetime

from django.db import IntegrityError, transaction

from core import clock
from feeds.errors import BadRangeError, FeedError
from feeds.granularity import seconds
from feeds.models import BackfillJob
from feeds.providers.sources import check_feed
from feeds.tape import retention
from feeds.tape.records import CANDLE, FeedKey

Status, Sink = BackfillJob.Status, BackfillJob.Sink

# Records of one job: nineteen years of minutes, or 115 days of seconds or single
# events.
MOST_STEPS = 10_000_000


class BackfillActiveError(FeedError):
    code = "backfill_active"
    status = 409


class BackfillOverError(FeedError):
    code = "backfill_over"
    status = 409


def start(
    *,
    key: FeedKey,
    start_at: datetime,
    end_at: datetime,
    sink: str = Sink.PARQUET,
    page_size: int = 500,
    take_over: bool = False,
) -> BackfillJob:
    """Create a pending job for [start_at, end_at), or resume an earlier one.

    A failed or cancelled job for exactly this range continues from its cursor. With
    `take_over` this also takes a job from the process that works on it, which then
    stops. Raises FeedError for an unknown feed or an invalid range, and
    BackfillActiveError when the feed has an unfinished job.
    """
    now = clock.now()
    _check(key, start_at=start_at, end_at=end_at, sink=sink, now=now)
    if page_size < 1:
        raise FeedError(f"page size was {page_size}; give at least 1")
    work = {**key._asdict(), "start_at": start_at, "end_at": end_at, "sink": sink}
    before = BackfillJob.objects.filter(**work).exclude(status=Status.COMPLETED)
    if not take_over:
        before = before.exclude(status__in=BackfillJob.ACTIVE)
    try:
        with transaction.atomic():
            job = before.select_for_update().first() or BackfillJob(
                **work, cursor_at=start_at, created_at=now
            )
            job.status, job.lease, job.leased_until = Status.PENDING, None, None
            job.error, job.page_size, job.updated_at = "", page_size, now
            job.failures = 0
            job.save()
    except IntegrityError:
        raise BackfillActiveError(
            f"a backfill of {key.id} is running; wait for it or cancel it"
        ) from None
    return job


def _check(
    key: FeedKey, *, start_at: datetime, end_at: datetime, sink: str, now: datetime
) -> None:
    check_feed(key)
    if sink not in Sink.values:
        raise FeedError(f"sink was {sink!r}; give {', '.join(Sink.values)}")
    if start_at >= end_at:
        raise BadRangeError(
            f"from was {start_at:%Y-%m-%dT%H:%M:%SZ}, to was "
            f"{end_at:%Y-%m-%dT%H:%M:%SZ}; from must lie before to"
        )
    step_s = seconds(key.granularity) if key.kind == CANDLE else 1
    if (end_at - start_at).total_seconds() > step_s * MOST_STEPS:
        raise BadRangeError(
            f"the range was {(end_at - start_at).days} days of {key.kind} at "
            f"{key.granularity}; give {step_s * MOST_STEPS // 86_400} days at most, "
            "and the rest to another job"
        )
    if end_at > now:
        raise BadRangeError(
            f"to was {end_at:%Y-%m-%dT%H:%M:%SZ}, which lies in the future; "
            f"it is {now:%Y-%m-%dT%H:%M:%SZ}"
        )
    oldest = retention.oldest_kept(now)
    goes = sink != Sink.PARQUET and not retention.is_kept(key.kind, key.granularity)
    if goes and start_at < oldest:
        raise BadRangeError(
            f"from was {start_at:%Y-%m-%dT%H:%M:%SZ}, but the tape keeps records since "
            f"{oldest:%Y-%m-%dT%H:%M:%SZ}; raise FEED_RECORD_TTL_DAYS, or backfill "
            "into parquet"
        )


def cancel(*, job_id: uuid.UUID) -> BackfillJob:
    """End an unfinished job; its worker stops at its next save."""
    cancelled = (
        BackfillJob.objects.active()
        .filter(pk=job_id)
        .update(status=Status.CANCELLED, lease=None, updated_at=clock.now())
    )
    job = BackfillJob.objects.get(pk=job_id)
    if not cancelled:
        raise BackfillOverError(
            f"the backfill is {job.status}; there is nothing to cancel"
        )
    return job


def take_back(*, job_id: uuid.UUID) -> None:
    """Take an unfinished job for the caller; another process that works on it stops."""
    BackfillJob.objects.active().filter(pk=job_id).update(
        status=Status.PENDING, lease=None, leased_until=None, updated_at=clock.now()
    )


def waits_s(job: BackfillJob) -> float:
    """Return the real seconds until a postponed job is resumed."""
    if job.leased_until is None:
        return 0.0
    return max(0.0, (job.leased_until - clock.now()).total_seconds() / clock.speed())
