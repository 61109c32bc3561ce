"""A board of many models from a month of hourly snapshots, and after one more cycle.

The limit: the bare SQL aggregate of the longest window's snapshots, ranked, without
storing anything.
"""

import argparse
import statistics
import time
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from benchmarks import _scoring
from benchmarks.measure import compare
from competitions.contract import CrunchConfig
from competitions.slots import wire
from scoring.board import closed_sums, leaderboard
from scoring.models import Snapshot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--hours", type=int, default=720, help="snapshots a model")


def run(args: argparse.Namespace) -> dict[str, Any]:
    competition, _ = _scoring.make_competition(models=args.models)
    now = _scoring.START + timedelta(hours=args.hours, minutes=-30)
    fill(competition.pk, args.hours)
    wiring = wire(CrunchConfig(), {})

    def publish(at: datetime) -> None:
        leaderboard.publish(competition=competition, wiring=wiring, now=at)

    def forget() -> None:
        closed_sums.forget()
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE leaderboards CASCADE")

    result = compare(
        "leaderboard",
        ours=lambda: publish(now),
        limit=lambda: least_work(competition.pk, now),
        reset=forget,
        repeats=args.repeats,
        models=args.models,
        snapshots=Snapshot.objects.count(),
    )
    publish(now)
    times = []
    for i in range(args.repeats):
        # What a cycle changes: the open hour's row of every model.
        Snapshot.objects.filter(is_closed=False).update(value=F("value") + 0.001)
        start = time.perf_counter()
        publish(now + timedelta(seconds=10 * (i + 1)))
        times.append(time.perf_counter() - start)
    result["incremental_s"] = statistics.median(times)
    result["incremental_share"] = round(
        result["incremental_s"] / result["ours"]["median_s"], 3
    )
    return result


def fill(competition_id: int, hours: int) -> None:
    """Closed hourly snapshots of every model, and the open one of this hour."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO snapshots (model_id, period_start, period_end, prediction_count,
                expected_count, value, result_summary_jsonb, parts, content_hash,
                is_closed,
                revision, created_at, updated_at)
            SELECT m.id, hour, hour + interval '1 hour', 60, 60, value,
                jsonb_build_object('value', value, 'ic', value / 9, 'ic_sharpe', value,
                    'hit_rate', 0.5, 'max_drawdown', -value, 'model_correlation', 0.1),
                ARRAY[60, value, greatest(value, 0), least(value, 0), -abs(value),
                    0, 0, 0, 0, 6, value / 9, 0.5, 0, 0],
                md5(m.id::text || hour::text), hour < %s, 0, hour, hour
            FROM generate_series(%s, %s, interval '1 hour') AS hour
            CROSS JOIN LATERAL (
                SELECT id, sin(id * 7.1 + extract(epoch FROM hour) / 3600)::float8
                    AS value
                FROM models WHERE competition_id = %s
            ) AS m
            """,
            [
                _scoring.START + timedelta(hours=hours - 1),
                _scoring.START,
                _scoring.START + timedelta(hours=hours - 1),
                competition_id,
            ],
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE snapshots")


def least_work(competition_id: int, now: datetime) -> None:
    """The yardstick: three windowed means and a rank for each model."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT model_id, recent, steady, anchor, rank() OVER (ORDER BY recent DESC)
            FROM (
                SELECT model_id,
                    sum(value * prediction_count) FILTER (WHERE period_end > %s)
                        / sum(prediction_count) FILTER (WHERE period_end > %s)
                        AS recent,
                    sum(value * prediction_count) FILTER (WHERE period_end > %s)
                        / sum(prediction_count) FILTER (WHERE period_end > %s)
                        AS steady,
                    sum(value * prediction_count) / sum(prediction_count) AS anchor
                FROM snapshots
                WHERE model_id IN (SELECT id FROM models WHERE competition_id = %s)
                    AND period_end > %s AND period_start <= %s
                GROUP BY model_id
            ) AS means
            """,
            [
                *[now - timedelta(hours=24)] * 2,
                *[now - timedelta(hours=72)] * 2,
                *(competition_id, now - timedelta(hours=168), now),
            ],
        )
        cursor.fetchall()
