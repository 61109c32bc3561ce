from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from livepool import build, candles, config, pipeline, shadow
from livepool.management.commands._pool import add_output, refusals


class Command(BaseCommand):
    help = "Rebuild the shadow histories of both tracks; publishes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--mode", choices=tuple(config.PROFILES))
        parser.add_argument("--as-of", type=date.fromisoformat)
        parser.add_argument("--candles", type=Path)
        add_output(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        day = options["as_of"] or candles.last_complete_day()
        folder = options["output_dir"] or build.output_dir()
        with refusals():
            panel = pipeline.build_panel(
                build.load_candles(day, options["candles"]),
                mode=options["mode"] or build.default_mode(),
                as_of=day,
            )
            histories = shadow.build_tracks(panel, folder)
        for history in histories:
            self.stdout.write(
                f"{history.track.track_id}: {len(history.releases)} releases"
            )
