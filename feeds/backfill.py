"""Fetch the history of a feed, page by page; resumable at any point.

A job's cursor moves only after its records are safely written, and by compare-and-set
on the job's lease. So a job that is killed, taken over or run twice writes the same
records again at worst, which changes nothing.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from core import clock
from core.backoff import backoff
from core.texts import message_of
from feeds.errors import ProviderError
from feeds.ingest import provider_of
from feeds.models import BackfillJob
from feeds.providers.base import FetchRequest
from feeds.providers.pull import after, pages
from feeds.tape.records import FeedRecord
from feeds.tape.writes import append

log = structlog.get_logger(__name__)

Status, Sink = BackfillJob.Status, BackfillJob.Sink

# Seconds of real time.
LEASE_S = 60.0
SAVE_EVERY_S = 5.0
LONGEST_BACKOFF_S = 300.0
SAVE_EVERY_RECORDS = 20_000
RETRIES = 5


class _LostError(Exception):
    """The job was cancelled, or another process has taken it over."""


class _PutOffError(Exception):
    """The job is postponed, because its source asks for a pause."""


@dataclass
class _Fetched:
    """Records that were fetched and are not written yet."""

    records: list[FeedRecord] = field(default_factory=list)
    pages: int = 0
    since: float = field(default_factory=time.monotonic)

    def is_due(self) -> bool:
        return (
            len(self.records) >= SAVE_EVERY_RECORDS
            or time.monotonic() - self.since > SAVE_EVERY_S
        )


def run(
    *,
    job_id: uuid.UUID,
    turn_s: float | None = None,
    on_progress: Callable[[BackfillJob], Any] | None = None,
) -> bool:
    """Work on a job that nobody else works on, for `turn_s` real seconds or to its end.

    Returns whether more can be done now. When its source fails, the job is postponed:
    PENDING until `leased_until`. After RETRIES failures in a row, or another error, it
    is FAILED and the error raised. An interrupt releases the job with its cursor.
    """
    job = _claim(job_id)
    if job is None:
        return False
    until = time.monotonic() + turn_s if turn_s is not None else None
    try:
        is_over = _work(job, until=until, on_progress=on_progress)
        changes = (
            {"status": Status.COMPLETED, "cursor_at": job.end_at}
            if is_over
            else {"leased_until": None}
        )
        _save(job, **changes)
    except _LostError:
        log.info("backfill.lost", job=str(job.pk))
        return False
    except _PutOffError:
        return False
    except BaseException as error:
        _give_up(job, error)
        raise
    if on_progress is not None:
        on_progress(job)
    return not is_over


def _claim(job_id: uuid.UUID) -> BackfillJob | None:
    now = clock.now()
    lease = uuid.uuid4()
    claimed = (
        BackfillJob.objects.orphaned(now)
        .filter(pk=job_id)
        .update(
            status=Status.RUNNING,
            lease=lease,
            leased_until=now + clock.wall_seconds(LEASE_S),
            updated_at=now,
            error="",
        )
    )
    return BackfillJob.objects.get(pk=job_id) if claimed else None


def _work(
    job: BackfillJob,
    *,
    until: float | None,
    on_progress: Callable[[BackfillJob], Any] | None,
) -> bool:
    """Move the cursor to the end; return False if the turn ended before."""
    batch, began_at = _Fetched(), job.cursor_at
    try:
        for page in pages(provider_of(job.source), _request(job)):
            # The next backfill fetches the candle that is still open.
            batch.records += [record for record in page if record.is_closed]
            batch.pages += 1
            if batch.is_due():
                _flush(job, batch)
                batch = _Fetched()
                if on_progress is not None:
                    on_progress(job)
                # Within one millisecond the cursor cannot advance, and the next turn
                # would loop too.
                has_moved = job.cursor_at > began_at
                if until is not None and time.monotonic() > until and has_moved:
                    return False
    except ProviderError as error:
        _flush(job, batch)
        if job.failures == RETRIES:
            raise
        _put_off(job, error)
        raise _PutOffError from None
    _flush(job, batch)
    return True


def _put_off(job: BackfillJob, error: ProviderError) -> None:
    """Release the job for any worker after the wait, so that no worker sleeps."""
    failures = job.failures + 1
    wait_s = error.retry_after_s or backoff(
        failures, first_s=1.0, most_s=LONGEST_BACKOFF_S
    )
    text = message_of(error)
    log.warning("backfill.put_off", job=str(job.pk), s=wait_s, error=text)
    _save(
        job,
        status=Status.PENDING,
        leased_until=clock.now() + clock.wall_seconds(wait_s),
        failures=failures,
        error=text,
    )


def _request(job: BackfillJob) -> FetchRequest:
    return FetchRequest(
        subject=job.subject,
        kind=job.kind,
        granularity=job.granularity,
        start=job.cursor_at,
        end=job.end_at,
        limit=job.page_size,
    )


def _flush(job: BackfillJob, batch: _Fetched) -> None:
    """Write the batch, then move the cursor past it."""
    if not batch.records:
        return
    refused = 0
    if job.sink != Sink.PARQUET:
        done = append(batch.records, move_watermark=False)
        refused = done.refused
        if done.updated:
            from feeds.tape import day_files

            day_files.forget(job.key, {r.ts_event.date() for r in batch.records})
    if job.sink != Sink.TAPE:
        from feeds.tape import parquet

        kept = parquet.storable_records(batch.records)
        refused = max(refused, len(batch.records) - len(kept))
        parquet.write(kept)
    _save(
        job,
        cursor_at=after(batch.records[-1]),
        failures=0,
        records_written=job.records_written + len(batch.records) - refused,
        records_refused=job.records_refused + refused,
        pages_fetched=job.pages_fetched + batch.pages,
        leased_until=clock.now() + clock.wall_seconds(LEASE_S),
    )


def _save(job: BackfillJob, **changes: Any) -> None:
    """Write to the job while this process holds it; else raise _LostError."""
    changes["updated_at"] = clock.now()
    saved = BackfillJob.objects.filter(
        pk=job.pk, lease=job.lease, status=Status.RUNNING
    ).update(**changes)
    if not saved:
        raise _LostError
    for name, value in changes.items():
        setattr(job, name, value)


def _give_up(job: BackfillJob, error: BaseException) -> None:
    ours = BackfillJob.objects.filter(pk=job.pk, lease=job.lease, status=Status.RUNNING)
    if isinstance(error, Exception):
        text = message_of(error)
        log.error("backfill.failed", job=str(job.pk), error=text)
        ours.update(status=Status.FAILED, error=text, updated_at=clock.now())
    else:
        ours.update(status=Status.CANCELLED, lease=None, updated_at=clock.now())
