"""`manage.py correct rescore|void SLUG START END --reason TEXT [--apply]`."""

import argparse
import getpass
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from competitions.models import Competition
from core.texts import counted
from scoring.corrections import Correction, rescore, void


def instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


class Command(BaseCommand):
    help = (
        "Score closed periods again, or void a range of slots; shows which models move."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("kind", choices=["rescore", "void"])
        parser.add_argument("slug", help="the competition")
        parser.add_argument("start", type=instant, help="ISO 8601, UTC")
        parser.add_argument("end", type=instant, help="first instant after the range")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--author", default=getpass.getuser())
        parser.add_argument("--scope", default="", help="void: one scope key only")
        parser.add_argument(
            "--apply", action="store_true", help="without it: a preview"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        competition = Competition.objects.filter(slug=options["slug"]).first()
        if competition is None:
            raise CommandError(
                f"competition was {options['slug']!r}; there is none with that name."
            )
        facts = {
            "competition_id": competition.pk,
            "start": options["start"],
            "end": options["end"],
            "reason": options["reason"],
            "author": options["author"],
            "preview": not options["apply"],
        }
        if options["kind"] == "rescore":
            done = rescore(**facts)
        else:
            done = void(**facts, scope_key=options["scope"])
        self._show(done)
        if not options["apply"]:
            self.stdout.write("Nothing was changed; repeat with --apply to apply it.")

    def _show(self, done: Correction) -> None:
        self.stdout.write(
            f"{counted(done.rounds, 'round')} in the span; "
            f"{counted(done.scores, 'score')} computed anew, "
            f"{counted(done.snapshots, 'snapshot')} replaced"
        )
        for move in done.moves:
            self.stdout.write(
                f"{move.model_id}: rank {move.rank_before} -> {move.rank_after}, "
                f"{move.value_before} -> {move.value_after}"
            )
