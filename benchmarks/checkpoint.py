"""A checkpoint of many models from a week of hourly snapshots: ranked, shared, stored.

The limit: one bare SQL aggregate of the figures that the checkpoint holds of each
model, ranked, without sharing or storing anything: the means of its summary, what its
standard error is made of, its counts, and its metrics' parts, added up where ours are
merged. `means_s` is less: the means of one typed column over three windows.
"""

import argparse
import statistics
import time
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
    with connection.cursor() as cursor:  # as autovacuum does, after so many changes
        cursor.execute("VACUUM ANALYZE snapshots")
        cursor.execute("ANALYZE models")

    def forget() -> None:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE checkpoints CASCADE")
            cursor.execute("DELETE FROM log_leaves WHERE kind = 'checkpoint'")

    def close() -> None:
        made = checkpoints.close(competition=competition, period=period)
        assert made is not None
        assert len(made.meta["ranking"]) == args.models

    means = []
    for _ in range(args.repeats):
        start = time.perf_counter()
        least_work(competition.pk, period.end)
        means.append(time.perf_counter() - start)
    return compare(
        "checkpoint",
        ours=close,
        limit=lambda: _same_figures(competition.pk, period),
        reset=forget,
        repeats=args.repeats,
        models=args.models,
        snapshots=Snapshot.objects.count(),
        means_s=statistics.median(means),
    )


def _same_figures(competition_id: int, period: Period) -> None:
    fields = ("value", "ic", "hit_rate")
    means = ", ".join(
        f"sum({name} * weight) / sum(weight) FILTER (WHERE {name} IS NOT NULL)"
        for name in fields
    )
    # The parts of the maximum drawdown and of the Sharpe ratio of ICs.
    parts = ", ".join(f"sum(parts[{place}])" for place in (1, 2, 3, 4, 5, 10, 11, 12))
    numbers = ", ".join(
        f"CASE WHEN jsonb_typeof(result_summary_jsonb -> '{name}') = 'number' "
        f"THEN (result_summary_jsonb -> '{name}')::float8 END AS {name}"
        for name in fields
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT *, rank() OVER (ORDER BY mean DESC) FROM (
                SELECT model_id, sum(figure * weight) / sum(weight) AS mean, {means},
                    count(*), sum(prediction_count), sum(expected_count),
                    sum(weight * weight), sum(weight * weight * figure),
                    sum(weight * weight * figure * figure), {parts}
                FROM (
                    SELECT model_id, snapshots.value AS figure, prediction_count,
                        prediction_count::float8 AS weight, expected_count, parts,
                        {numbers}
                    FROM snapshots
                    WHERE superseded_at IS NULL
                        AND period_end > %s AND period_end <= %s
                        AND model_id IN
                            (SELECT id FROM models WHERE competition_id = %s)
                    OFFSET 0
                ) AS snapshot GROUP BY model_id
            ) AS figures
            """,
            [period.start, period.end, competition_id],
        )
        cursor.fetchall()
