from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from livepool.management.commands._pool import (
    add_allow_stale,
    add_inputs,
    build_from,
    folder_of,
)
from livepool.release import build, publish


class Command(BaseCommand):
    help = "Build and publish a release: objects, current pointers, document."

    def add_arguments(self, parser: CommandParser) -> None:
        add_inputs(parser)
        add_allow_stale(parser)
        parser.add_argument(
            *("--dry-run", "--mock"),
            dest="dry_run",
            action="store_true",
            help="Build every payload and release_manifest.json; touch no store.",
        )
        parser.add_argument(
            "--no-build",
            action="store_true",
            help="Publish the files that are in the folder already.",
        )
        parser.add_argument(
            "--revise",
            action="store_true",
            help="Replace a published version; the old files are archived.",
        )
        parser.add_argument("--reason", default="", help="Why it is revised.")

    def handle(self, *args: Any, **options: Any) -> None:
        folder, as_of = folder_of(options), options["as_of_date"]
        refused: dict[str, str] = {}
        if not options["no_build"]:
            if as_of is not None and not options["allow_stale"]:
                build.check_age(as_of)
            refused = build_from(options).refused
        done = publish.publish(
            folder=folder,
            mode=options["universe_mode"],
            dry_run=options["dry_run"],
            revise=options["revise"],
            reason=options["reason"],
            actor="command line",
            refused=refused,
            allow_stale=options["allow_stale"],
        )
        if done.dry_run:
            why = "" if settings.ENV.publish_enabled else " (PUBLISH_ENABLED is false)"
            self.stdout.write(f"Dry run{why}: {done.version} was NOT published")
        elif done.changed:
            self.stdout.write(f"Published {done.version}")
        else:
            self.stdout.write(f"{done.version} was published already; nothing changed")
        self.stdout.write(f"  pool   {' '.join(done.symbols)}")
        if done.previous_version and done.previous_version != done.version:
            self.stdout.write(f"  before {done.previous_version}")
            self.stdout.write(f"  in     {' '.join(done.entered) or '-'}")
            self.stdout.write(f"  out    {' '.join(done.left) or '-'}")
