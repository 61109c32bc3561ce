"""`manage.py backfill`: load history into the tape or Parquet, resumably."""

import contextlib
import time
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from core import clock
from core.texts import counted, listed
from feeds import backfill, backfill_jobs
from feeds.models import BackfillJob
from feeds.providers import sources
from feeds.tape.records import FeedKey


class Command(BaseCommand):
    help = (
        "Fetches the history of feeds. The same command continues where it was stopped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--source", required=True, help=", ".join(sources.names()))
        parser.add_argument("--subject", required=True, help="several with commas")
        parser.add_argument("--kind", default="candle", help="default: candle")
        parser.add_argument("--granularity", default="1m", help="default: 1m")
        parser.add_argument(
            "--from", required=True, dest="start", help="UTC, inclusive"
        )
        parser.add_argument("--to", required=True, dest="end", help="UTC, exclusive")
        parser.add_argument(
            "--sink",
            default=BackfillJob.Sink.TAPE,
            choices=BackfillJob.Sink.values,
            help="where records go; default: tape",
        )
        parser.add_argument(
            "--page-size", type=int, default=500, help="records a request; default: 500"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            start_at = clock.parse_instant(options["start"], "--from")
            end_at = clock.parse_instant(options["end"], "--to")
            for subject in listed(options["subject"]):
                key = FeedKey(
                    options["source"], subject, options["kind"], options["granularity"]
                )
                job = backfill_jobs.start(
                    key=key,
                    start_at=start_at,
                    end_at=end_at,
                    sink=options["sink"],
                    page_size=options["page_size"],
                    take_over=True,
                )
                self._run(job)
        except OSError as error:
            raise CommandError(str(error)) from None

    def _run(self, job: BackfillJob) -> None:
        if job.cursor_at > job.start_at:
            self.stderr.write(f"{job.key.id}: continuing from {job.cursor_at:%F %T}")
        with tqdm(
            total=_hours(job.start_at, job.end_at),
            initial=_hours(job.start_at, job.cursor_at),
            desc=job.key.id,
            unit="h",
            bar_format="{desc} {percentage:3.0f}% |{bar}| {postfix} "
            "[{elapsed}, {remaining} left]",
        ) as bar:

            def show(job: BackfillJob) -> None:
                bar.set_postfix_str(
                    counted(job.records_written, "record"), refresh=False
                )
                bar.update(_hours(job.start_at, job.cursor_at) - bar.n)

            try:
                while self._is_put_off(job, show):
                    time.sleep(backfill_jobs.waits_s(job))
                    backfill_jobs.take_back(job_id=job.pk)
            except KeyboardInterrupt:
                with contextlib.suppress(backfill_jobs.BackfillOverError):
                    backfill_jobs.cancel(job_id=job.pk)
                raise CommandError(
                    "stopped; the same command continues from here", returncode=130
                ) from None
        if job.status != BackfillJob.Status.COMPLETED:
            raise CommandError(f"{job.key.id}: the backfill was {job.status}")
        refused = f", {job.records_refused} refused" if job.records_refused else ""
        self.stdout.write(
            f"{job.key.id}: {counted(job.records_written, 'record')} in "
            f"{counted(job.pages_fetched, 'page')}{refused}"
        )

    def _is_put_off(
        self, job: BackfillJob, show: Callable[[BackfillJob], None]
    ) -> bool:
        """Work on the job; return whether its source asks for a pause."""
        backfill.run(job_id=job.pk, on_progress=show)
        job.refresh_from_db()
        is_put_off = job.status == BackfillJob.Status.PENDING
        if is_put_off:
            self.stderr.write(
                f"{job.key.id}: {job.error}; "
                f"asked again in {backfill_jobs.waits_s(job):.0f} s"
            )
        return is_put_off


def _hours(start_at: datetime, end_at: datetime) -> float:
    return (end_at - start_at).total_seconds() / 3600
