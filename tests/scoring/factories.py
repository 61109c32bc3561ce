"""A competition of which rounds were asked and await their truth, written directly."""

from datetime import timedelta

from competitions.models import (
    Competition,
    Cruncher,
    ParticipantModel,
    Prediction,
    Round,
    ScheduledPrediction,
)
from core import clock
from feeds.tape.records import FeedRecord
from feeds.tape.writes import append

SOURCE, SUBJECT = "simulated", "BTCUSDT"
HORIZON_S = 60


def make_competition(now, **changes):
    facts = {
        "slug": "btc",
        "name": "BTC",
        "status": Competition.Status.ACTIVE,
        "pack": "baseline",
        "feed_source": SOURCE,
        "crunch_pubkey": "CRUNCH",
        "created_at": now,
        "activated_at": now,
        "next_score_at": now,
    }
    competition = Competition.objects.create(**{**facts, **changes})
    ScheduledPrediction.objects.create(
        competition=competition,
        scope_key="btc-60",
        prediction_interval_s=60,
        resolve_horizon_s=HORIZON_S,
    )
    return competition


def make_models(competition, *names):
    models = []
    for name in names:
        cruncher = Cruncher.objects.create(
            competition=competition,
            cruncher_id=f"c-{name}",
            name=f"Cruncher {name}",
            cruncher_index=100 + competition.crunchers.count(),
            created_at=competition.created_at,
        )
        models.append(
            ParticipantModel.objects.create(
                competition=competition,
                model_id=name,
                name=f"Model {name}",
                cruncher=cruncher,
                created_at=competition.created_at,
                updated_at=competition.created_at,
            )
        )
    return models


def make_round(
    competition, performed_at, answers, *, subject=SUBJECT, horizon_s=HORIZON_S, **facts
):
    """An asked round. `answers`: model -> number, None (ABSENT) or text (FAILED)."""
    scheduled = competition.scheduled_predictions.get()
    round_ = Round.objects.create(
        competition=competition,
        scheduled_prediction=scheduled,
        slot_at=performed_at,
        scope_key=scheduled.scope_key,
        scope={"subject": subject},
        performed_at=performed_at,
        resolvable_at=performed_at + timedelta(seconds=horizon_s),
        received_at=performed_at,
        **facts,
    )
    Prediction.objects.bulk_create(
        [
            Prediction(
                round=round_, model=model, performed_at=performed_at, **_said(answer)
            )
            for model, answer in answers.items()
        ]
    )
    return round_


def _said(answer):
    if answer is None:
        return {"outcome": "ABSENT", "code": "ABSENT", "reason": "gave no answer"}
    if isinstance(answer, str):
        return {"outcome": "FAILED", "code": "EXCEPTION", "reason": answer}
    output = answer if isinstance(answer, dict) else {"value": answer}
    return {"outcome": "ANSWERED", "output": output}


def put_candles(first, closes, **facts):
    """Onto the tape: closed candles from `first` on; None leaves a gap.

    They come when the last of them has closed, which may lie in the test's future.
    """
    records = candles(first, closes, **facts)
    closed_at = max(record.closes_at for record in records)
    later = max(clock.now(), closed_at)
    with clock.use(clock.Frozen(start=later, anchor=later)):
        result = append(records)
    assert not result.refused, result.reasons


def candles(first, closes, *, step_s=60, granularity="1m", subject=SUBJECT):
    return [
        FeedRecord(
            source=SOURCE,
            subject=subject,
            kind="candle",
            granularity=granularity,
            ts_event=first + timedelta(seconds=step_s * i),
            values=dict.fromkeys(("open", "high", "low", "close"), close)
            | {"volume": 1.0},
        )
        for i, close in enumerate(closes)
        if close is not None
    ]
