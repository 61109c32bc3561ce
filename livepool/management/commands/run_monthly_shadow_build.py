from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.texts import counted
from livepool import artifacts
from livepool.management.commands._pool import add_inputs, inputs
from livepool.model import parameters
from livepool.shadow import monthly


class Command(BaseCommand):
    help = "Monthly: live files, publish dry run, both shadow tracks, reports."

    def add_arguments(self, parser: CommandParser) -> None:
        add_inputs(parser)
        parser.add_argument(
            "--shadow-universe-mode",
            choices=tuple(parameters.PROFILES),
            help="Mode of the shadow tracks (default: that of the pool).",
        )
        parser.add_argument("--skip-publish-dry-run", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        done = monthly.run(
            **inputs(options),
            shadow_mode=options["shadow_universe_mode"],
            folder=options["output_dir"],
            publish_dry_run=not options["skip_publish_dry_run"],
        )
        write = self.stdout.write
        write(f"as of    {done.ranking.as_of_date}")
        write(f"pool     {' '.join(done.ranking.symbols)}")
        write(f"files    {done.folder / artifacts.FILES['live_pool']}")
        for history in done.histories:
            last = history.releases[-1]["as_of_date"] if history.releases else "none"
            churn = history.mean_churn
            write(
                f"track    {history.track.track_id}: "
                f"{counted(len(history.releases), 'release')}, "
                f"last {last}, churn {'-' if churn is None else f'{churn:.2f}'}"
            )
        write(f"summary  {done.folder / monthly.SUMMARY}")
        write(f"review   {done.folder / monthly.REVIEW}")
