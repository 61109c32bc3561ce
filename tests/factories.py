"""Rows for tests: a seeded competition that has been running for a while."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from competitions.models import (
    Competition,
    Cruncher,
    ParticipantModel,
    Prediction,
    Round,
    ScheduledPrediction,
)
from core import clock
from emissions.frac64 import split
from emissions.models import Checkpoint
from feeds.models import FeedSubscription
from scoring.models import Leaderboard, LeaderboardEntry, Score, Snapshot

NAMES = (
    ("Meridian", "alice"),
    ("Quiet Carry", "bram"),
    ("Second Derivative", "chen"),
    ("Tidewater", "alice"),
    ("Half-Life", "dora"),
    ("Kestrel", "emeka"),
    ("Night Shift", "fatima"),
    ("Basis Point", "goran"),
    ("Slow Burn", "hana"),
    ("Northing", "ivan"),
    ("Paper Lantern", "jun"),
    ("Coin Flip", "kira"),
)
WINDOWS_H = {"score_recent": 24, "score_steady": 72, "score_anchor": 168}
ERROR = (
    'ValueError: window has 3 candles, 20 needed (tracker.py, line 41, in "predict")'
)


def subscription(**fields) -> FeedSubscription:
    return FeedSubscription.objects.create(
        **{
            "source": "simulated",
            "subject": "BTCUSDT",
            "kind": "candle",
            "granularity": "1m",
            "created_at": clock.now(),
            **fields,
        }
    )


@dataclass
class World:
    """What `running_competition` made."""

    competition: Competition
    scheduled: ScheduledPrediction
    models: list[ParticipantModel]
    rounds: list[Round]
    board: Leaderboard
    checkpoints: list[Checkpoint]


def competition(slug: str = "btc-demo", **fields) -> Competition:
    created_at = fields.pop("created_at", datetime.fromisoformat("2026-02-20T00:00Z"))
    return Competition.objects.create(
        slug=slug,
        **{
            "name": "BTC, one minute ahead",
            "status": Competition.Status.ACTIVE,
            "pack": "realtime",
            "feed_source": "simulated",
            "crunch_pubkey": "CRUNCHxMINT",
            "compute_provider": "COMPUTExWALLET",
            "activated_at": created_at,
            "created_at": created_at,
            **fields,
        },
    )


def scheduled_prediction(of: Competition, **fields) -> ScheduledPrediction:
    return ScheduledPrediction.objects.create(
        competition=of,
        **{
            "scope_key": "BTCUSDT-60",
            "scope_template": {"subject": "BTCUSDT", "step_seconds": 60},
            "prediction_interval_s": 900,
            "resolve_horizon_s": 60,
            **fields,
        },
    )


def participants(
    of: Competition, count: int, *, at: datetime
) -> list[ParticipantModel]:
    """`count` models; the fifth is recovering with an error, the last has stopped."""
    owners: dict[str, Cruncher] = {}
    models = []
    for i in range(count):
        name, owner = NAMES[i % len(NAMES)]
        if owner not in owners:
            owners[owner] = Cruncher.objects.create(
                competition=of,
                cruncher_id=f"cr-{owner}",
                name=owner,
                cruncher_index=len(owners),
                created_at=at,
            )
        failing = i == 4
        models.append(
            ParticipantModel(
                competition=of,
                model_id=f"m{i + 1}",
                name=name,
                cruncher=owners[owner],
                deployment_id=f"dep-{i + 1}",
                state="RECOVERING" if failing else "RUNNING",
                last_error=ERROR if failing else "",
                last_error_at=at - timedelta(minutes=4) if failing else None,
                first_error_at=at - timedelta(minutes=9) if failing else None,
                last_seen_at=at,
                created_at=at - timedelta(days=3),
                updated_at=at,
            )
        )
    if count > 5:
        models[-1].state = "STOPPED"
    return ParticipantModel.objects.bulk_create(models)


def ensemble_answers(of: Competition, rounds: Sequence[Round]) -> ParticipantModel:
    """An ensemble with a prediction in each round, as scoring adds them."""
    ensemble = ParticipantModel.objects.create(
        competition=of,
        model_id="__ensemble_all__",
        name="Ensemble all",
        is_virtual=True,
        created_at=of.created_at,
        updated_at=of.created_at,
    )
    Prediction.objects.bulk_create(
        Prediction(
            round=round_,
            model=ensemble,
            outcome="ANSWERED",
            output={"value": 0.5},
            performed_at=round_.performed_at,
        )
        for round_ in rounds
    )
    return ensemble


def running_competition(
    *,
    at: datetime,
    models: int = 12,
    hours: int = 72,
    seed: int = 7,
    slug: str = "btc-demo",
) -> World:
    """A competition `hours` old at `at`: rounds each 15 minutes, hourly snapshots."""
    random = np.random.default_rng(seed)
    made = competition(slug, created_at=at - timedelta(hours=hours))
    scheduled = scheduled_prediction(
        made, next_slot_at=at.replace(second=0, microsecond=0) + timedelta(minutes=15)
    )
    roster = participants(made, models, at=at)
    rounds = _rounds(made, scheduled, at, hours, random)
    _predictions(rounds, roster, at, random)
    values = _snapshots(roster, at, hours, random)
    board = _board(made, roster, values, at)
    checkpoints = [
        _checkpoint(made, roster, at - timedelta(days=7 * age), age, made.crunch_pubkey)
        for age in (1, 2)
    ]
    return World(made, scheduled, roster, rounds, board, checkpoints)


def _rounds(
    of: Competition,
    scheduled: ScheduledPrediction,
    at: datetime,
    hours: int,
    random: np.random.Generator,
) -> list[Round]:
    slots = [at - timedelta(minutes=15 * i) for i in range(hours * 4, -1, -1)]
    returns = random.normal(0, 4e-4, len(slots))
    prices = 64_000 * np.cumprod(1 + returns)
    rounds = []
    for i, slot_at in enumerate(slots):
        performed_at = slot_at + timedelta(milliseconds=180)
        resolvable_at = slot_at + timedelta(seconds=60)
        round_ = Round(
            competition=of,
            scheduled_prediction=scheduled,
            slot_at=slot_at,
            scope_key=scheduled.scope_key,
            scope={**scheduled.scope_template, "resolve_horizon_seconds": 60},
            received_at=slot_at,
        )
        if i % 97 == 41:
            round_.status = Round.Status.MISSED
            round_.reason = "no worker was up; the slot came up 130 s late"
        else:
            round_.performed_at, round_.resolvable_at = performed_at, resolvable_at
        if round_.performed_at and resolvable_at <= at:
            round_.status = Round.Status.RESOLVED
            round_.resolved_at = resolvable_at + timedelta(seconds=2)
            round_.actuals = {
                "entry_price": round(float(prices[i]), 2),
                "resolved_price": round(float(prices[i] * (1 + returns[i])), 2),
                "actual_return": float(returns[i]),
            }
        rounds.append(round_)
    return Round.objects.bulk_create(rounds)


def _predictions(
    rounds: Sequence[Round],
    roster: Sequence[ParticipantModel],
    at: datetime,
    random: np.random.Generator,
) -> None:
    predictions = []
    for round_ in rounds:
        if round_.performed_at is None:
            continue
        for rank, model in enumerate(roster):
            chance = random.random()
            signal = float(np.clip(random.normal(0.3 - 0.03 * rank, 0.5), -1, 1))
            outcome, code, reason = "ANSWERED", "", ""
            if chance < 0.01 * (1 + rank):
                outcome, code, reason = "FAILED", "EXCEPTION", ERROR
            elif chance > 0.98:
                outcome, code, reason = "ABSENT", "PAUSED", "no answer within 5.0 s"
            predictions.append(
                Prediction(
                    round=round_,
                    model=model,
                    outcome=outcome,
                    code=code,
                    reason=reason,
                    output={"value": round(signal, 4)} if outcome == "ANSWERED" else {},
                    exec_time_us=int(random.integers(2_000, 90_000))
                    if outcome != "ABSENT"
                    else None,
                    performed_at=round_.performed_at,
                )
            )
    Prediction.objects.bulk_create(predictions, batch_size=2000)
    scores = []
    for prediction in predictions:
        round_ = prediction.round
        if prediction.outcome != "ANSWERED" or round_.status != "RESOLVED":
            continue
        value = prediction.output["value"] * round_.actuals["actual_return"] * 10_000
        scores.append(
            Score(
                prediction=prediction,
                model=prediction.model,
                value=value,
                success=True,
                result={"value": value},
                scored_at=round_.resolved_at,
            )
        )
    Score.objects.bulk_create(scores, batch_size=2000)


def _snapshots(
    roster: Sequence[ParticipantModel],
    at: datetime,
    hours: int,
    random: np.random.Generator,
) -> np.ndarray:
    """Hourly rows; a model's level wanders slowly around its skill."""
    skill = np.linspace(0.62, -0.28, len(roster))[:, None]
    walk = np.cumsum(random.normal(0, 0.05, (len(roster), hours + 1)), axis=1)
    values = skill + 0.6 * walk + random.normal(0, 0.22, (len(roster), hours + 1))
    open_start = at.replace(minute=0, second=0, microsecond=0)
    rows = []
    for m, model in enumerate(roster):
        for h in range(hours + 1):
            start = open_start - timedelta(hours=hours - h)
            expected = 4 if h < hours else 1
            count = int(random.binomial(expected, 0.99 - 0.012 * m))
            value = round(float(values[m, h]), 6) if count else None
            rows.append(
                Snapshot(
                    model=model,
                    period_start=start,
                    period_end=start + timedelta(hours=1),
                    prediction_count=count,
                    expected_count=expected,
                    value=value,
                    result_summary={"value": value},
                    content_hash="0" * 64,
                    is_closed=h < hours,
                    created_at=start,
                    updated_at=start,
                )
            )
    Snapshot.objects.bulk_create(rows)
    return values


def _board(
    of: Competition,
    roster: Sequence[ParticipantModel],
    values: np.ndarray,
    at: datetime,
) -> Leaderboard:
    board = Leaderboard.objects.create(
        competition=of,
        as_of=at,
        ranking_key="score_recent",
        ranking_direction="desc",
        created_at=at,
    )
    metrics: list[dict[str, float | None]] = [
        {
            name: round(float(values[m, -hours:].mean()), 6)
            for name, hours in WINDOWS_H.items()
        }
        | {"ic": round(0.09 - 0.011 * m, 4), "hit_rate": round(0.57 - 0.008 * m, 4)}
        for m in range(len(roster))
    ]
    if len(roster) > 5:  # a stopped model: nothing recent is known of it
        metrics[-1]["score_recent"] = None
    order = sorted(
        range(len(roster)),
        key=lambda m: (
            metrics[m]["score_recent"] is None,
            -(metrics[m]["score_recent"] or 0),
        ),
    )
    LeaderboardEntry.objects.bulk_create(
        LeaderboardEntry(
            leaderboard=board,
            model=roster[m],
            rank=place,
            position=place,
            ranking_value=metrics[m]["score_recent"],
            metrics=metrics[m],
            prediction_count=280 - 3 * m,
            samples={
                name: {"count": 4 * hours - 3 * m, "expected": 4 * hours}
                for name, hours in WINDOWS_H.items()
            },
        )
        for place, m in enumerate(order, start=1)
    )
    return board


def _checkpoint(
    of: Competition,
    roster: Sequence[ParticipantModel],
    period_end: datetime,
    age: int,
    pubkey: str,
) -> Checkpoint:
    tiers = [35, 10, 10, 10, 10, 5, 5, 5, 5, 5] + [0] * len(roster)
    shares: dict[int, int] = {}
    for model, share in zip(roster, split(tiers[: len(roster)]), strict=True):
        index = model.cruncher.cruncher_index
        shares[index] = shares.get(index, 0) + share
    submitted = age > 1
    return Checkpoint.objects.create(
        competition=of,
        period_start=period_end - timedelta(days=7),
        period_end=period_end,
        status="PAID" if submitted else "PENDING",
        tx_hash="5kJ3xT" if submitted else None,
        submitted_at=period_end + timedelta(hours=2) if submitted else None,
        entries=[
            {
                "crunch": pubkey,
                "cruncher_rewards": [
                    {"cruncher_index": i, "reward_pct": share}
                    for i, share in shares.items()
                ],
                "compute_provider_rewards": [
                    {"provider": "COMPUTExWALLET", "reward_pct": 1_000_000_000}
                ],
                "data_provider_rewards": [],
            }
        ],
        meta={
            "snapshot_count": 168 * len(roster),
            "model_count": len(roster),
            "ranking": [
                {
                    "model_id": model.model_id,
                    "model_name": model.name,
                    "cruncher_name": model.cruncher.name,
                    "cruncher_index": model.cruncher.cruncher_index,
                    "prediction_count": 600 - i,
                    "snapshot_count": 168,
                    "result_summary": {"value": round(0.6 - 0.05 * i, 4)},
                    "rank": i + 1,
                }
                for i, model in enumerate(roster)
            ],
        },
        created_at=period_end,
    )
