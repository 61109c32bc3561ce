"""A competition with as many predictions and snapshots as the API is measured with."""

from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from benchmarks import _scoring
from benchmarks.leaderboard import fill as fill_snapshots
from competitions.contract import CrunchConfig
from competitions.models import ScheduledPrediction
from competitions.slots import wire
from emissions.models import Checkpoint
from scoring.board import leaderboard
from scoring.models import Snapshot
from scoring.snapshots.period_leaves import log_closed

_ROUNDS = """
    INSERT INTO inputs (competition_id, scheduled_prediction_id, slot_at, status,
        reason, scope_key, scope_jsonb, raw_data_jsonb, performed_at, resolvable_at,
        actuals_jsonb, resolved_at, timing_jsonb, received_at)
    SELECT %(competition)s, %(scheduled)s, slot, 'RESOLVED', '', 'btc-60',
        '{"subject": "BTCUSDT"}', '{}', slot, slot + interval '1 minute',
        '{"actual_return": 0.0001}', slot + interval '62 seconds', '{}', slot
    FROM generate_series(%(start)s, %(end)s, interval '1 minute') AS slot
"""
_PREDICTIONS = """
    INSERT INTO predictions (input_id, model_id, outcome, reason,
        inference_output_jsonb, exec_time_us, performed_at, meta_jsonb)
    SELECT round.id, model.id, 'ANSWERED', '',
        jsonb_build_object('value', sin(model.id * 7.1 + round.id)), 5000,
        round.performed_at, '{}'
    FROM inputs AS round CROSS JOIN models AS model
    ORDER BY round.id, model.id
"""
_SCORES = """
    INSERT INTO scores (prediction_id, model_id, scoring_version, value, success,
        failed_reason, result_jsonb, scored_at)
    SELECT prediction.id, prediction.model_id, 1, 0.5, true, '', '{"value": 0.5}',
        round.resolved_at
    FROM predictions AS prediction JOIN inputs AS round ON round.id = input_id
    ORDER BY prediction.id
"""
WEEKS = 52
LOGGED = 200  # hours


def fill(*, models: int, predictions: int, snapshots: int) -> Any:
    """Fill the database; returns the competition, which has a board of this hour."""
    competition, roster = _scoring.make_competition(models=models)
    scheduled = ScheduledPrediction.objects.get(competition=competition)
    rounds = max(1, predictions // models)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _ROUNDS,
            {
                "competition": competition.pk,
                "scheduled": scheduled.pk,
                "start": _scoring.START,
                "end": _scoring.START + timedelta(minutes=rounds - 1),
            },
        )
        cursor.execute(_PREDICTIONS)
        cursor.execute(_SCORES)
    hours = max(1, snapshots // models)
    fill_snapshots(competition.pk, hours)
    _log_periods(competition, hours)
    Checkpoint.objects.bulk_create(
        _checkpoint(competition, roster, week) for week in range(WEEKS)
    )
    now = _scoring.START + timedelta(hours=hours, minutes=-30)
    leaderboard.publish(
        competition=competition, wiring=wire(CrunchConfig(), {}), now=now
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return competition


def _log_periods(competition: Any, hours: int) -> None:
    """Commit to the first closed hours in the log."""
    end = _scoring.START + timedelta(hours=min(hours - 1, LOGGED))
    with transaction.atomic():
        log_closed(
            competition,
            wire(CrunchConfig(), {}),
            Snapshot.objects.filter(period_end__lte=end).order_by(
                "period_start", "revision"
            ),
        )


def _checkpoint(competition: Any, roster: list[Any], week: int) -> Checkpoint:
    start = _scoring.START + timedelta(weeks=week)
    shares = [{"cruncher_index": i, "reward_pct": 5_000_000} for i in range(200)]
    return Checkpoint(
        competition=competition,
        period_start=start,
        period_end=start + timedelta(weeks=1),
        entries=[
            {
                "crunch": "bench",
                "cruncher_rewards": shares,
                "compute_provider_rewards": [],
                "data_provider_rewards": [],
            }
        ],
        meta={
            "ranking": [
                {
                    "model_id": model.model_id,
                    "model_name": model.name,
                    "cruncher_index": i,
                    "prediction_count": 600,
                    "result_summary": {"value": 0.5},
                    "rank": i + 1,
                }
                for i, model in enumerate(roster)
            ]
        },
        created_at=start,
    )
