import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core import clock
from livepool.management.commands._pool import add_output, day
from livepool.model import parameters
from livepool.release import build, rules


class Command(BaseCommand):
    help = "Check the files of a release against the contract; prints JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        add_output(parser)
        parser.add_argument("--mode", choices=tuple(parameters.PROFILES))
        parser.add_argument("--source-project", default=parameters.SOURCE_PROJECT)
        parser.add_argument("--expected-pool-size", type=int)
        parser.add_argument(
            "--max-age-days", type=int, default=parameters.DEFAULT.max_age_days
        )
        parser.add_argument("--allow-stale", action="store_true")
        parser.add_argument("--require-manifest", action="store_true")
        parser.add_argument("--require-artifact-manifest", action="store_true")
        parser.add_argument("--reference-date", type=day)

    def handle(self, *args: Any, **options: Any) -> None:
        report = rules.validate_folder(
            options["output_dir"] or build.output_dir(),
            rules.Expectations(
                reference_date=options["reference_date"] or clock.now().date(),
                mode=options["mode"],
                source_project=options["source_project"],
                pool_size=options["expected_pool_size"],
                max_age_days=options["max_age_days"],
                require_freshness=not options["allow_stale"],
                require_manifest=options["require_manifest"],
                require_artifact_manifest=options["require_artifact_manifest"],
            ),
        )
        self.stdout.write(json.dumps(report.to_dict(), indent=2))
        if not report.ok:
            sys.exit(1)
