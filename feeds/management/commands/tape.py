"""`manage.py tape check|partitions|prune`: check and maintain the tape."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core import clock
from core.texts import counted
from feeds import health, ingest
from feeds.models import FeedSubscription
from feeds.tape import partitions, reports, retention, schema


class Command(BaseCommand):
    help = "Checks the tape, lists its partitions, or drops what is past retention."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["check", "partitions", "prune"])

    def handle(self, *args: Any, what: str, **options: Any) -> None:
        {"check": self.check_tape, "partitions": self.list, "prune": self.prune}[what]()

    def check_tape(self) -> None:
        """Print a line for each problem; exit with 1 when there is any."""
        problems = []
        if pending := schema.pending():
            raise CommandError(f"the schema lacks {', '.join(pending)}; run migrate")
        now = clock.now()
        if strays := partitions.rows_in_default():
            problems.append(
                "the default partition must be empty and holds "
                f"{counted(strays, 'record')}: move them, then run "
                "`manage.py tape partitions`"
            )
        months = {partition.month for partition in partitions.existing()}
        ahead = partitions.next_month(partitions.month_of(now))
        problems += [
            f"there is no partition for {month:%Y-%m}: run `manage.py tape partitions`"
            for month in (partitions.month_of(now), ahead)
            if month not in months
        ]
        for row in health.health(now=now):
            if row.is_stale:
                age = "nothing yet" if row.age_s is None else f"{row.age_s:.0f} s old"
                problems.append(f"{row.subscription} is stale: {age}")
        for subscription in FeedSubscription.objects.filter(active=True):
            problems += [
                f"{subscription} lacks {start:%F %T} to {end:%F %T}"
                for start, end in ingest.recent_gaps(subscription)
            ]
        for refused in reports.refusals():
            self.stdout.write(
                f"note: {refused.feed} had {counted(refused.refused_count, 'record')} "
                f"refused ({refused.reason}), last {refused.last_record}"
            )
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            raise CommandError(counted(len(problems), "problem"))
        self.stdout.write("the tape is complete")

    def list(self) -> None:
        """Make the months ahead, then list all."""
        partitions.create_ahead(now=clock.now())
        for partition in partitions.existing():
            self.stdout.write(
                f"{partition.month:%Y-%m}  {partition.size_bytes / 1e6:10.1f} MB  "
                f"about {counted(partition.estimated_rows, 'record')}"
            )
        self.stdout.write(f"default  {counted(partitions.rows_in_default(), 'record')}")

    def prune(self) -> None:
        now = clock.now()
        for month in retention.prune(now=now):
            self.stdout.write(f"dropped {month:%Y-%m}")
        self.stdout.write(
            f"kept since {retention.oldest_kept(now):%F %T}; "
            "candles of a day or longer from the beginning"
        )
