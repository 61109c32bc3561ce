"""Checkpoints: a period that is over is ranked as the leaderboard ranks, and paid.

Periods lie on the grid of multiples of `emission_interval_s` since the epoch. The
first is the one in which the competition was activated, so it may have been partly
idle. A period without a single snapshot gets no checkpoint; the next one with
snapshots follows. One in which nobody scored, such as a day that was declared void,
gets one that pays the providers and no cruncher.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Count, Min, Sum

from competitions.models import Competition
from competitions.slots import Wiring
from competitions.wiring import wiring_of
from emissions.models import Checkpoint
from emissions.strategies import EmissionCheckpoint, checked, tiers
from feeds import clock
from scoring import leaderboard, locks, snapshots
from scoring.leaderboard import Standing
from scoring.models import Snapshot
from scoring.periods import floor, following

log = structlog.get_logger(__name__)


def close_due(*, now: datetime) -> list[Checkpoint]:
    """Close every period that is over, of all competitions; returns what was made.

    A competition that fails is logged, tried again by the next call, stops no other.
    """
    made = []
    for competition in Competition.objects.filter(activated_at__isnull=False):
        try:
            made += close_due_of(competition=competition, now=now)
        except Exception:
            log.exception("checkpoint.failed", competition=competition.slug)
    return made


def close_due_of(*, competition: Competition, now: datetime) -> list[Checkpoint]:
    """Close the periods of one competition that are over, oldest first."""
    made = []
    while (period := next_period(competition=competition)) and period[1] <= now:
        checkpoint = close(competition=competition, start=period[0], end=period[1])
        if checkpoint is None:  # somebody else made it
            break
        made.append(checkpoint)
    return made


def next_period(*, competition: Competition) -> tuple[datetime, datetime] | None:
    """The earliest period with a snapshot and no checkpoint; None if there is none."""
    activated_at = competition.activated_at
    assert activated_at is not None  # callers choose activated ones
    length_s = competition.emission_interval_s
    last = Checkpoint.objects.filter(competition=competition).first()
    since = last.period_end if last else floor(activated_at, length_s)
    first = Snapshot.objects.filter(
        model__competition=competition, period_end__gt=since
    ).aggregate(at=Min("period_start"))["at"]
    if first is None:
        return None
    start = max(since, floor(first, length_s))
    return start, following(start, length_s)


@transaction.atomic
def close(
    *, competition: Competition, start: datetime, end: datetime
) -> Checkpoint | None:
    """Rank and pay one period; None if it was already.

    Snapshots up to now are closed first, under the lock that keeps scoring away, so the
    ranking rests on everything that was scored before `end`.
    """
    wiring = wiring_of(competition)
    locks.own(competition.pk)
    if Checkpoint.objects.filter(
        competition=competition, period_end__gt=start, period_start__lt=end
    ).exists():
        return None
    now = clock.now()
    snapshots.refresh(competition=competition, wiring=wiring, now=now)
    ranking = ranking_of(competition=competition, wiring=wiring, start=start, end=end)
    emission = build_emission(competition=competition, wiring=wiring, ranking=ranking)
    try:
        with transaction.atomic():
            checkpoint = Checkpoint.objects.create(
                competition=competition,
                period_start=start,
                period_end=end,
                entries=[emission.model_dump()],
                meta={
                    "snapshot_count": sum(entry["snapshot_count"] for entry in ranking),
                    "model_count": len(ranking),
                    "ranking": ranking,
                },
                created_at=now,
            )
    except IntegrityError:  # the periods-disjoint constraint: another node was first
        return None
    log.info(
        "checkpoint.made",
        competition=competition.slug,
        period_start=start.isoformat(),
        period_end=end.isoformat(),
        models=len(ranking),
    )
    return checkpoint


def ranking_of(
    *, competition: Competition, wiring: Wiring, start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """The leaderboard at the period's end, without those whom it cannot pay.

    Left out are virtual models, models that scored nothing in the period, and models
    whose ranking figure is unknown; the others keep their order and rank from 1.
    """
    counts = {
        model: (snapshot_count, prediction_count)
        for model, snapshot_count, prediction_count in Snapshot.objects.current()
        .filter(
            model__competition=competition, period_end__gt=start, period_start__lt=end
        )
        .order_by("model")
        .values_list("model")
        .annotate(Count("pk"), Sum("prediction_count"))
    }
    lines = leaderboard.standings(competition=competition, wiring=wiring, as_of=end)
    payable = [
        line
        for line in lines
        if line.rank is not None
        and line.value is not None
        and counts.get(line.model.pk, (0, 0))[1] > 0
    ]
    return [
        _entry(line, rank, *counts[line.model.pk])
        for rank, line in enumerate(payable, start=1)
    ]


def _entry(
    line: Standing, rank: int, snapshot_count: int, prediction_count: int
) -> dict[str, Any]:
    return {
        "rank": rank,
        "model_id": line.model.model_id,
        "model_name": line.model.name,
        "cruncher_name": line.model.cruncher_name,
        "cruncher_index": line.model.cruncher_index,
        "prediction_count": prediction_count,
        "snapshot_count": snapshot_count,
        "result_summary": dict(line.metrics),
    }


def build_emission(
    *,
    competition: Competition,
    wiring: Wiring,
    ranking: Sequence[dict[str, Any]],
) -> EmissionCheckpoint:
    """Rewards of a ranking by the contract's builder, else by tiers; checked.

    An empty ranking pays no cruncher, whatever the builder would make of it.
    What the competition's row says about keys and providers wins over the contract.
    """
    config = wiring.config
    builder = config.build_emission if ranking else None
    return checked(
        (builder or tiers)(
            ranking,
            crunch_pubkey=competition.crunch_pubkey or config.crunch_pubkey,
            compute_provider=competition.compute_provider or config.compute_provider,
            data_provider=competition.data_provider or config.data_provider,
        )
    )
