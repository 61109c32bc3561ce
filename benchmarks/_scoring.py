"""A competition full of asked rounds, shared by the benchmarks of scoring."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from competitions.contract import CrunchConfig

START = datetime(2026, 1, 1, tzinfo=UTC)
SUBJECT = "BTCUSDT"


def make_competition(*, models: int) -> tuple[Any, list[Any]]:
    """An empty active competition and its models, alone in the database."""
    from django.db import connection

    from competitions.models import (
        Competition,
        Cruncher,
        ParticipantModel,
        ScheduledPrediction,
    )

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE competitions CASCADE")
        cursor.execute("TRUNCATE tape.feed_records, tape.feed_ingestion_state")
    competition = Competition.objects.create(
        slug="bench",
        name="Bench",
        status="ACTIVE",
        pack="baseline",
        feed_source="simulated",
        created_at=START,
        activated_at=START,
    )
    ScheduledPrediction.objects.create(
        competition=competition,
        scope_key="btc-60",
        prediction_interval_s=60,
        resolve_horizon_s=60,
    )
    crunchers = Cruncher.objects.bulk_create(
        Cruncher(
            competition=competition,
            cruncher_id=f"c{i}",
            name=f"Cruncher {i}",
            cruncher_index=i,
            created_at=START,
        )
        for i in range(models)
    )
    made = ParticipantModel.objects.bulk_create(
        ParticipantModel(
            competition=competition,
            model_id=f"m{i:04}",
            name=f"Model {i}",
            cruncher=crunchers[i],
            created_at=START,
            updated_at=START,
        )
        for i in range(models)
    )
    return competition, made


def add_rounds(
    competition: Any, models: list[Any], *, first: datetime, count: int
) -> None:
    """Rounds a minute apart, each answered by every model, and the candles for them."""
    from django.db import connection

    from competitions.models import Round
    from core.copy import copy_rows
    from feeds.tape.records import FeedRecord
    from feeds.tape.writes import append

    numbers = random.Random(7)
    price, records = 60_000.0, []
    for i in range(-1, count + 1):
        price *= 1 + numbers.gauss(0, 0.0005)
        records.append(
            FeedRecord(
                "simulated",
                SUBJECT,
                "candle",
                "1m",
                first + timedelta(minutes=i),
                dict.fromkeys(("open", "high", "low", "close"), price)
                | {"volume": 1.0},
            )
        )
    append(records)
    rounds = Round.objects.bulk_create(
        Round(
            competition=competition,
            scheduled_prediction=competition.scheduled_predictions.get(),
            slot_at=first + timedelta(minutes=i),
            scope_key="btc-60",
            scope={"subject": SUBJECT},
            performed_at=first + timedelta(minutes=i),
            resolvable_at=first + timedelta(minutes=i + 1),
            received_at=first,
        )
        for i in range(count)
    )
    with connection.cursor() as cursor:
        copy_rows(
            cursor,
            "predictions",
            (
                *("input_id", "model_id", "outcome", "reason"),
                *("inference_output_jsonb", "performed_at", "meta_jsonb"),
            ),
            (
                (
                    *(round_.pk, model.pk, "ANSWERED", ""),
                    {"value": round(numbers.gauss(0, 1), 6)},
                    *(round_.performed_at, {}),
                )
                for round_ in rounds
                for model in models
            ),
        )
        cursor.execute("VACUUM ANALYZE inputs, predictions")


def batch_scorer(predictions: Any, ground_truth: Any) -> Any:
    """The default scorer's formula on arrays."""
    return predictions["value"] * ground_truth["actual_return"] * 10_000


BATCH_CONFIG = CrunchConfig(batch_scoring_function=batch_scorer)


def add_history(competition: Any, models: list[Any], *, rounds: int) -> None:
    """Rounds before START, scored long ago, and their closed snapshots."""
    from django.db import connection, transaction

    from competitions.callables.guarded_calls import GuardedCalls
    from competitions.slots import wire
    from scoring.snapshots import snapshots

    first = START - timedelta(minutes=rounds + 2)
    add_rounds(competition, models, first=first, count=rounds)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inputs SET status = 'RESOLVED', resolved_at = resolvable_at, "
            "actuals_jsonb = '{\"actual_return\": 0.001}'"
        )
        cursor.execute(
            "INSERT INTO scores (prediction_id, model_id, scoring_version, value, "
            "success, failed_reason, result_jsonb, scored_at) "
            "SELECT p.id, p.model_id, 1, (inference_output_jsonb ->> 'value')::float8, "
            "true, '', '{}', i.resolved_at "
            "FROM predictions p JOIN inputs i ON i.id = p.input_id"
        )
    with transaction.atomic():
        snapshots.refresh(
            competition=competition,
            wiring=wire(CrunchConfig(), {}),
            now=START,
            guarded=GuardedCalls(competition),
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE inputs, predictions, scores, snapshots")


def forget_scores() -> None:
    """Back to rounds that are due, and the history before START."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE leaderboards CASCADE")
        cursor.execute("SELECT count(*) FROM snapshots WHERE is_closed")
        if cursor.fetchone()[0]:
            cursor.execute("DELETE FROM scores WHERE scored_at >= %s", [START])
            cursor.execute("DELETE FROM snapshots WHERE period_end > %s", [START])
            cursor.execute("VACUUM ANALYZE scores, snapshots")
        else:
            cursor.execute("TRUNCATE scores, snapshots CASCADE")
        cursor.execute(
            "UPDATE inputs SET status = 'RECEIVED', actuals_jsonb = NULL, "
            "provenance_jsonb = NULL, resolved_at = NULL "
            "WHERE status = 'RESOLVED' AND resolved_at >= %s",
            [START],
        )
