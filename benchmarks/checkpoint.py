"""A checkpoint of many models from a week of hourly snapshots: ranked, shared, stored.

The limit: the bare SQL aggregate of the period's snapshots (a mean for each model,
ranked), without storing anything.
"""

import argparse
from datetime import timedelta
from typing import Any

from django.db import connection

from benchmarks import _scoring
from benchmarks.leaderboard import fill, least_work
from benchmarks.measure import compare
from core.grid import Period
from emissions import checkpoints
from scoring.models import Snapshot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--hours", type=int, default=168, help="snapshots a model")


def run(args: argparse.Namespace) -> dict[str, Any]:
    competition, _ = _scoring.make_competition(models=args.models)
    period = Period(_scoring.START, _scoring.START + timedelta(hours=args.hours))
    fill(competition.pk, args.hours)
    Snapshot.objects.update(is_closed=True)
    competition.crunch_pubkey = "BENCH"
    competition.emission_interval_s = args.hours * 3600
    competition.save()

    def forget() -> None:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE checkpoints CASCADE")
            cursor.execute("DELETE FROM log_leaves WHERE kind = 'checkpoint'")

    def close() -> None:
        made = checkpoints.close(competition=competition, period=period)
        assert made is not None
        assert len(made.meta["ranking"]) == args.models

    return compare(
        "checkpoint",
        ours=close,
        limit=lambda: least_work(competition.pk, period.end),
        reset=forget,
        repeats=args.repeats,
        models=args.models,
        snapshots=Snapshot.objects.count(),
    )
