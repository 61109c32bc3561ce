from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.texts import counted
from livepool.release import rollback


class Command(BaseCommand):
    help = "Make an earlier version current again: five objects and the document."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("version", help="For example 2026-03-31-core_major.")
        parser.add_argument("--reason", default="", help="Kept with the release.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Verify and show what would change."
        )
        parser.add_argument(
            "--allow-stale",
            action="store_true",
            help="Accept a version beyond its age.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = {k: options[k] for k in ("version", "allow_stale")}
        if options["dry_run"]:
            done = rollback.preview(**chosen)
        else:
            done = rollback.rollback(
                **chosen,
                reason=options["reason"] or "rolled back on the command line",
                actor="command line",
            )
        verb = "Would roll back to" if options["dry_run"] else "Rolled back to"
        self.stdout.write(
            f"{verb} {done.version} ({counted(done.age_days, 'day')} old)"
        )
        self.stdout.write(f"  from {done.previous_version or 'nothing'}")
        self.stdout.write(f"  pool {' '.join(done.symbols)}")
        self.stdout.write(f"  in   {' '.join(done.entered) or '-'}")
        self.stdout.write(f"  out  {' '.join(done.left) or '-'}")
