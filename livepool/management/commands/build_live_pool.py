from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from livepool import artifacts
from livepool.management.commands._pool import (
    add_allow_stale,
    add_inputs,
    build_from,
    folder_of,
)


class Command(BaseCommand):
    help = "Build the files of a release; publishes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        add_inputs(parser)
        add_allow_stale(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        ranking = build_from(options)
        version = artifacts.version_of(ranking.as_of_date, ranking.mode)
        folder = folder_of(options)
        self.stdout.write(f"Built {version} in {folder}")
        self.stdout.write(f"  pool    {' '.join(ranking.symbols)}")
        self.stdout.write(
            f"  regime  {ranking.regime} ({ranking.regime_confidence:.2f}), "
            f"{len(ranking.universe)} in the universe"
        )
        for warning in ranking.warnings:
            self.stdout.write(self.style.WARNING(f"  note    {warning}"))
