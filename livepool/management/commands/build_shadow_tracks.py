from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.texts import counted
from livepool.management.commands._pool import (
    add_inputs,
    folder_of,
    inputs,
)
from livepool.release import build
from livepool.shadow import history as shadow


class Command(BaseCommand):
    help = "Rebuild the shadow histories of both tracks; publishes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        add_inputs(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        panel = build.panel(**inputs(options))
        histories = shadow.build_tracks(panel, folder_of(options))
        for history in histories:
            self.stdout.write(
                f"{history.track.track_id}: {counted(len(history.releases), 'release')}"
            )
