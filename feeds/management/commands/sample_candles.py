"""`manage.py sample_candles FILE`: a small recorded market, to try a replay with."""

from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core import clock
from core.files import replacing
from core.texts import counted
from feeds.providers import sources
from feeds.providers.base import FetchRequest
from feeds.providers.pull import pages
from feeds.tape.records import CANDLE, OHLCV


class Command(BaseCommand):
    help = "Writes minute candles of the simulated exchange to a Parquet file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--subject", default="BTCUSDT")
        parser.add_argument("--from", default="2026-01-01", dest="start")
        parser.add_argument("--days", type=int, default=1)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        import polars as pl

        subject, days = options["subject"], options["days"]
        try:
            start = clock.parse_instant(options["start"], "--from")
            end = start + timedelta(days=days)
            if not start < end <= clock.now():
                raise CommandError(f"--from and --days end at {end}; give a past range")
            request = FetchRequest(subject, CANDLE, "1m", start, end, 10_000)
            found = [
                {"open_time": record.ts_event, "symbol": subject, **record.values}
                for page in pages(sources.create("simulated"), request)
                for record in page
            ]
            with replacing(file) as draft:
                pl.DataFrame(found).select("open_time", "symbol", *OHLCV).write_parquet(
                    draft
                )
        except (OSError, OverflowError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"{file}: {counted(len(found), 'candle')} of {subject} from {start:%F}"
        )
