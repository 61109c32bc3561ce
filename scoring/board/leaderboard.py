"""Publish the leaderboard: standings stored as rows, updated in place."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from pydantic_core import to_json

from competitions.callables.guarded_calls import GuardedCalls
from competitions.contract import CrunchConfig
from competitions.models import Competition, ParticipantModel, Round
from competitions.shared.window_rule import Summing
from competitions.slots import Wiring
from core import clock
from core.facts import Fact, FactKind, announce
from core.grid import Period, floor
from scoring import locks
from scoring.board.ranking import Standing
from scoring.board.standings import standings
from scoring.board.window_sums import averaged_fields, field_summing
from scoring.metrics.parts import UNITS
from scoring.models import Leaderboard, LeaderboardEntry
from scoring.snapshots.fields import score_fields

MOST_TOLD = 3  # models named in the fact that a board has changed
# The last board of each hour is kept as history.
HISTORY_PERIOD_S = 3600
# A board that is later than the clock by more was made while the clock was ahead.
LATER = timedelta(seconds=60)


def is_behind(competition: Competition, now: datetime) -> bool:
    """Return whether the newest board lacks a score, or is of earlier windows.

    It also is if it ranks a model that is excluded, or does not rank one that was
    readmitted.
    """
    newest = Leaderboard.objects.filter(competition=competition, is_newest=True)
    found = newest.values_list("as_of", Exists(_misplaced())).first()
    if found is None:
        return True
    as_of, is_misplaced = found
    length_s = competition.snapshot_period_s
    if is_misplaced or floor(as_of, length_s) < floor(now, length_s):
        return True
    rounds = Round.objects.filter(competition=competition)
    return rounds.resolved_in(Period(as_of)).exists()


def _misplaced() -> QuerySet[LeaderboardEntry]:
    """Return a board's lines whose rank contradicts their model's exclusion."""
    eligible = ParticipantModel.objects.eligible().filter(pk=OuterRef("model"))
    return LeaderboardEntry.objects.filter(
        Q(Exists(eligible), rank=None, ranking_value__isnull=False)
        | Q(~Exists(eligible), rank__isnull=False),
        leaderboard=OuterRef("pk"),
    )


def publish(
    *,
    competition: Competition,
    wiring: Wiring,
    now: datetime,
    guarded: GuardedCalls | None = None,
) -> Leaderboard | None:
    """Update the newest board to this instant, or begin a new one, atomically.

    A board is the newest until its hour is over; those of past hours stay. It includes
    what was scored before `now`, which is its `as_of`. The standings are computed
    without a lock, so that an operator's callables delay nobody; None if another worker
    has published a later board meanwhile.
    """
    as_of = now + timedelta.resolution
    guarded = guarded or GuardedCalls(competition)
    lines = standings(
        competition=competition, wiring=wiring, as_of=as_of, guarded=guarded
    )
    with transaction.atomic():
        locks.lock_exclusive(competition.pk)
        return _write(competition, wiring, as_of, lines, guarded.failed)


def _write(
    competition: Competition,
    wiring: Wiring,
    as_of: datetime,
    lines: Sequence[Standing],
    stand_ins: Sequence[str],
) -> Leaderboard | None:
    now = as_of - timedelta.resolution
    newest = Leaderboard.objects.filter(competition=competition, is_newest=True)
    # By the clock as it is now: these lines may have taken minutes.
    latest = max(as_of, clock.now()) + LATER
    if newest.filter(as_of__gt=as_of, as_of__lte=latest).exists():
        return None
    board = newest.filter(as_of__gte=floor(now, HISTORY_PERIOD_S)).first()
    if board is None:
        newest.update(is_newest=False)
        board = Leaderboard(competition=competition)
    board.as_of, board.created_at = as_of, now
    board.ranking_key = wiring.config.aggregation.ranking_key
    board.ranking_direction = wiring.config.aggregation.ranking_direction
    board.meta = {"stand_ins": list(stand_ins)} if stand_ins else {}
    board.figures = described(wiring.config)
    board.save()
    _write_lines(board, lines)
    leaders = [
        {"model_id": line.model.model_id, "rank": line.rank, "value": line.value}
        for line in lines[:MOST_TOLD]
    ]
    payload = {"as_of": as_of.isoformat(), "models": len(lines), "leaders": leaders}
    announce(Fact(FactKind.BOARD_MOVED, competition.pk, payload))
    return board


def described(config: CrunchConfig) -> dict[str, dict[str, Any]]:
    """Return what each figure of a board covers: hours, unit, whether it is a mean.

    A mean of snapshots is weighted by their scores; other figures cover all rounds. Of
    a trading account, money is added up, and the unit is a snapshot.
    """
    hours = {name: window.hours for name, window in config.aggregation.windows.items()}
    means = averaged_fields(config)
    others = [*means, *(name for name in config.metrics if name not in means)]
    shortest = min(hours.values())
    whole = {config.aggregation.value_field, *hours, *score_fields(config)}
    return {
        name: {
            "hours": hours.get(name, shortest),
            "unit": UNITS.get(name) or _unit(config, name),
            "is_mean_of_snapshots": name in means and name not in whole,
        }
        for name in [*hours, *others]
    }


def _unit(config: CrunchConfig, name: str) -> str:
    summing = field_summing(config, name)
    return "rounds" if summing is Summing.MEAN_OF_SCORES else "snapshots"


def _write_lines(board: Leaderboard, lines: Sequence[Standing]) -> None:
    """Update each model's row in place; a reader never sees an empty board."""
    rows = [
        {
            "model_id": line.model.pk,
            "rank": line.rank,
            "position": line.position,
            "ranking_value": line.value,
            "metrics": line.metrics,
            "samples": line.samples,
            "counts": line.counts,
            "count": max((s["count"] for s in line.samples.values()), default=0),
        }
        for line in lines
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            MERGE INTO leaderboard_entries AS entry
            USING jsonb_to_recordset(%(rows)s::jsonb) AS line(
                model_id bigint, rank int, position int, ranking_value float8,
                metrics jsonb, samples jsonb, counts jsonb, count int)
            ON entry.leaderboard_id = %(board)s AND entry.model_id = line.model_id
            WHEN MATCHED THEN UPDATE SET
                rank = line.rank, position = line.position,
                ranking_value = line.ranking_value, metrics_jsonb = line.metrics,
                samples_jsonb = line.samples, counts_jsonb = line.counts,
                prediction_count = line.count
            WHEN NOT MATCHED THEN INSERT
                (leaderboard_id, model_id, rank, position, ranking_value,
                metrics_jsonb, samples_jsonb, counts_jsonb, prediction_count)
                VALUES (%(board)s, line.model_id, line.rank, line.position,
                line.ranking_value, line.metrics, line.samples, line.counts, line.count)
            """,
            {"rows": to_json(rows).decode(), "board": board.pk},
        )
    if board.entries.count() > len(lines):  # a model has left the board
        board.entries.exclude(model__in=[line.model.pk for line in lines]).delete()
