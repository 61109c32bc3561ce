from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from livepool import artifacts, config, monthly
from livepool.management.commands._pool import add_output, refusals


class Command(BaseCommand):
    help = "Monthly: live files, publish dry run, both shadow tracks, reports."

    def add_arguments(self, parser: CommandParser) -> None:
        modes = tuple(config.PROFILES)
        parser.add_argument("--as-of-date", type=date.fromisoformat)
        parser.add_argument("--universe-mode", choices=modes)
        parser.add_argument("--shadow-universe-mode", choices=modes)
        parser.add_argument("--skip-publish-dry-run", action="store_true")
        parser.add_argument(
            "--candles", type=Path, help="Parquet file of daily candles, not the tape."
        )
        add_output(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        with refusals():
            done = monthly.run(
                mode=options["universe_mode"],
                shadow_mode=options["shadow_universe_mode"],
                as_of=options["as_of_date"],
                parquet=options["candles"],
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
                f"track    {history.track.track_id}: {len(history.releases)} releases, "
                f"last {last}, churn {'-' if churn is None else f'{churn:.2f}'}"
            )
        write(f"summary  {done.folder / monthly.SUMMARY}")
        write(f"review   {done.folder / monthly.REVIEW}")
