"""Due rounds to leaderboard: `run_cycle` against the least work that stores the same.

The limit: one query each for rounds, predictions and candles; truth by searchsorted;
the same scorer on the same typed objects; COPY of the scores; one UPDATE of the rounds;
the five default metrics on a matrix; the snapshots; one SQL aggregate for the board.
A Merkle root is on neither side: the engine makes none yet.
"""

import argparse
import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from benchmarks import _scoring
from benchmarks.measure import compare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--batch", action="store_true", help="a scorer of arrays")
    parser.add_argument(
        "--history", type=int, default=0, help="scored rounds that are there before"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from core import clock
    from scoring.cycle import run_cycle
    from scoring.models import LeaderboardEntry, Score, Snapshot

    competition, models = _scoring.make_competition(models=args.models)
    if args.batch:
        competition.config_path = "benchmarks._scoring:BATCH_CONFIG"
        competition.save(update_fields=["config_path"])
    if args.history:
        _scoring.add_history(competition, models, rounds=args.history)
    _scoring.add_rounds(competition, models, first=_scoring.START, count=args.rounds)
    now = _scoring.START + timedelta(days=1)

    def ours() -> None:
        run_cycle(competition_id=competition.pk)

    def limit() -> None:
        least_work(competition.pk, now, is_batch=args.batch)

    with clock.use(clock.Frozen(start=now, anchor=now)):
        ours()  # imports, caches, the first connection of the tape
        _scoring.forget_scores()
        with CaptureQueriesContext(connection) as seen:
            ours()
        rows = {
            "scores": Score.objects.count(),
            "snapshots": Snapshot.objects.count(),
            "board": LeaderboardEntry.objects.count(),
        }
        result = compare(
            "score",
            ours=ours,
            limit=limit,
            reset=_scoring.forget_scores,
            repeats=args.repeats,
            models=args.models,
            rounds=args.rounds,
            rows=rows,
            statements=len(seen),
        )
    predictions = args.models * args.rounds
    result["ours"]["per_s"] = round(predictions / result["ours"]["median_s"])
    result["limit"]["per_s"] = round(predictions / result["limit"]["median_s"])
    return result


def least_work(competition_id: int, now: datetime, *, is_batch: bool) -> None:
    """The yardstick: straight-line code without what production needs beside it."""
    import numpy as np
    from django.db import connection, transaction
    from pydantic import TypeAdapter

    from competitions.contract import GroundTruth, InferenceOutput, ScoreResult
    from competitions.defaults import scoring_function
    from core.copy import copy_rows

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, extract(epoch FROM performed_at)::float8, "
            "extract(epoch FROM resolvable_at)::float8 FROM inputs "
            "WHERE competition_id = %s AND status = 'RECEIVED' "
            "AND resolvable_at <= %s ORDER BY resolvable_at, id",
            [competition_id, now],
        )
        rounds = np.array(cursor.fetchall())
        cursor.execute(
            "SELECT extract(epoch FROM ts_event)::float8 + 60, "
            "(values_jsonb ->> 'close')::float8 FROM tape.feed_records "
            "WHERE subject = %s AND is_closed ORDER BY ts_event",
            [_scoring.SUBJECT],
        )
        closed_at, price = np.array(cursor.fetchall()).T
        entry = price[np.searchsorted(closed_at, rounds[:, 1], side="right") - 1]
        resolved = price[np.searchsorted(closed_at, rounds[:, 2], side="right") - 1]
        returns = (resolved - entry) / entry
        truths = {
            int(pk): GroundTruth(entry_price=e, resolved_price=r, actual_return=x)
            for pk, e, r, x in zip(
                rounds[:, 0],
                entry.tolist(),
                resolved.tolist(),
                returns.tolist(),
                strict=True,
            )
        }
        cursor.execute(
            "SELECT id, input_id, model_id, inference_output_jsonb::text "
            "FROM predictions WHERE input_id = ANY(%s) ORDER BY model_id, input_id",
            [list(truths)],
        )
        answers = cursor.fetchall()
        if is_batch:
            outputs_json = [row[3] for row in answers]
            values = np.array([json.loads(text)["value"] for text in outputs_json])
            by_round = dict(zip(truths, returns.tolist(), strict=True))
            actual = np.array([by_round[row[1]] for row in answers])
            numbers = _scoring.batch_scorer(
                {"value": values}, {"actual_return": actual}
            ).tolist()
            documents = [f'{{"value": {number!r}}}' for number in numbers]
        else:
            texts = ",".join(row[3] for row in answers)
            outputs = TypeAdapter(list[InferenceOutput]).validate_json(f"[{texts}]")
            results = TypeAdapter(list[ScoreResult]).validate_python(
                [
                    scoring_function(output, truths[row[1]])
                    for output, row in zip(outputs, answers, strict=True)
                ]
            )
            values = np.array([output.value for output in outputs])
            numbers = [result.value for result in results]
            documents = [result.model_dump_json() for result in results]
        at = now.isoformat()
        copy_rows(
            cursor,
            "scores",
            (
                *("prediction_id", "model_id", "scoring_version", "value", "success"),
                *("failed_reason", "result_jsonb", "scored_at"),
            ),
            (
                (row[0], row[2], 1, number, True, "", document, at)
                for row, number, document in zip(
                    answers, numbers, documents, strict=True
                )
            ),
        )
        cursor.execute(
            "UPDATE inputs SET status = 'RESOLVED', resolved_at = %s, "
            "actuals_jsonb = jsonb_build_object('entry_price', e, 'resolved_price', r, "
            "'actual_return', x) FROM unnest(%s::bigint[], %s::float8[], %s::float8[], "
            "%s::float8[]) AS t(id, e, r, x) WHERE inputs.id = t.id",
            [
                now,
                list(truths),
                entry.tolist(),
                resolved.tolist(),
                returns.tolist(),
            ],
        )
        model_ids = sorted({row[2] for row in answers})
        shape = (len(model_ids), len(truths))
        signals = values.reshape(shape)
        scores = np.array(numbers).reshape(shape)
        metrics = five_metrics(signals, scores, returns)
        start = now.replace(minute=0, second=0, microsecond=0)
        summaries = [
            {"value": float(scores[i].mean())}
            | {name: float(column[i]) for name, column in metrics.items()}
            for i in range(len(model_ids))
        ]
        copy_rows(
            cursor,
            "snapshots",
            (
                *("model_id", "period_start", "period_end", "prediction_count"),
                *("expected_count", "value", "result_summary_jsonb", "content_hash"),
                *("is_closed", "revision", "created_at", "updated_at", "parts"),
            ),
            (
                (
                    *(model_id, start, start + timedelta(hours=1), shape[1], shape[1]),
                    *(summary["value"], summary),
                    hashlib.sha256(json.dumps(summary).encode()).hexdigest(),
                    *(False, 0, at, at, "{}"),
                )
                for model_id, summary in zip(model_ids, summaries, strict=True)
            ),
        )
        cursor.execute(
            """
            WITH board AS (
                INSERT INTO leaderboards (competition_id, as_of, is_newest,
                    ranking_key, ranking_direction, meta_jsonb, figures_jsonb,
                    created_at)
                VALUES (%s, %s, true, 'score_recent', 'desc', '{}', '{}', %s)
                RETURNING id
            ), means AS (
                SELECT model_id, sum(prediction_count) AS count,
                    sum(value * prediction_count) / sum(prediction_count) AS mean
                FROM snapshots GROUP BY model_id
            )
            INSERT INTO leaderboard_entries (leaderboard_id, model_id, rank, position,
                ranking_value, metrics_jsonb, samples_jsonb, counts_jsonb,
                prediction_count)
            SELECT board.id, model_id, rank() OVER best, row_number() OVER best, mean,
                jsonb_build_object('score_recent', mean), '{}', '{}', count
            FROM board, means WINDOW best AS (ORDER BY mean DESC, model_id)
            """,
            [competition_id, now, now],
        )


def five_metrics(signals: Any, scores: Any, returns: Any) -> dict[str, Any]:
    """The default metrics of gapless (models, rounds) matrices without ties."""
    import numpy as np

    def ranks(values: Any) -> Any:
        return values.argsort(axis=-1).argsort(axis=-1).astype(float)

    def unit(values: Any) -> Any:
        centred = values - values.mean(axis=-1, keepdims=True)
        return centred / np.linalg.norm(centred, axis=-1, keepdims=True)

    rounds = signals.shape[1]
    size = max(2, rounds // max(3, rounds // 10))
    used = rounds // size * size
    units = unit(ranks(signals))
    chunks = unit(ranks(signals[:, :used].reshape(len(signals), -1, size)))
    ics = (chunks * unit(ranks(returns[:used].reshape(-1, size)))).sum(axis=-1)
    running = scores.cumsum(axis=1)
    peak = np.maximum(np.maximum.accumulate(running, axis=1), 0)
    return {
        "ic": units @ unit(ranks(returns)),
        "ic_sharpe": ics.mean(axis=1) / ics.std(axis=1),
        "hit_rate": (np.sign(signals) == np.sign(returns)).mean(axis=1),
        "max_drawdown": (running - peak).min(axis=1),
        "model_correlation": ((units @ units.T).sum(axis=1) - 1) / (len(signals) - 1),
    }
