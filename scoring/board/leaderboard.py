"""The leaderboard: trailing windows over snapshots, ranked, kept as rows.

A window of h hours at an instant covers the snapshots whose period overlaps
[instant - h, instant). Its figure is the mean of their values weighted by the number of
scores, and NULL when there are none. Metrics are averaged in the same way over the
shortest window. NULL ranks last in both directions; equal figures rank by model id, so
the order never depends on the order of the input.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from pydantic import TypeAdapter
from pydantic_core import to_json
from typing_extensions import TypedDict

from competitions.callables.door import CallableError, Door
from competitions.contract import CrunchConfig
from competitions.models import Competition, ParticipantModel, Round
from competitions.slots import Wiring
from core.grid import Period, floor
from scoring import locks
from scoring.board.aggregator import Entrant, aggregated
from scoring.board.windows import Figures, averaged_fields, figures, figures_of_period
from scoring.metrics.parts import UNITS
from scoring.models import Leaderboard
from scoring.snapshots.matrices import score_fields
from scoring.snapshots.snapshots import summary_fields

# Of each hour the last board is kept as history.
HISTORY_PERIOD_S = 3600
# A board that is newer by more was not made meanwhile, but by a clock that was ahead.
LATER = timedelta(seconds=60)


class Standing(NamedTuple):
    """A model's line: figures, what they rest on, and its place.

    `samples` says per window how many scores there are of how many expected. `rank` is
    None for a virtual model and for one whose ranking figure is unknown; `position`
    counts every line from 1.
    """

    model: Entrant
    metrics: Mapping[str, float | None]
    samples: Mapping[str, Mapping[str, int]]
    value: float | None
    rank: int | None = None
    position: int = 0
    counts: Mapping[str, int] = {}


def standings(
    *,
    competition: Competition,
    wiring: Wiring,
    as_of: datetime,
    door: Door | None = None,
) -> list[Standing]:
    """Everybody's place at an instant, from the snapshots, in two statements.

    A model that has left is listed as long as it has scores in the longest window.
    """
    hours = max(w.hours for w in wiring.config.aggregation.windows.values())
    return _standings(
        competition,
        wiring,
        door,
        figures(competition=competition, config=wiring.config, as_of=as_of),
        period=Period(as_of - timedelta(hours=hours), as_of),
    )


def standings_of_period(
    *,
    competition: Competition,
    wiring: Wiring,
    period: Period,
    door: Door | None = None,
) -> list[Standing]:
    """Everybody's place by what they did in a period, in two statements.

    Every window's figure is that of the period. See `windows.figures_of_period`.
    """
    found = figures_of_period(
        competition=competition, config=wiring.config, period=period
    )
    return _standings(competition, wiring, door, found, period=period)


def _standings(
    competition: Competition,
    wiring: Wiring,
    door: Door | None,
    found: dict[int, Figures],
    *,
    period: Period,
) -> list[Standing]:
    door = door or Door(competition)
    everybody = entrants(competition)
    if not wiring.is_default("MODEL_SCORE_AGGREGATOR"):
        found = aggregated(
            competition=competition,
            wiring=wiring,
            period=period,
            entrants=everybody,
            found=found,
            door=door,
        )
    stopped = ParticipantModel.State.STOPPED
    lines = [
        _standing(model, found.get(model.pk), wiring.config)
        for model in everybody
        if model.pk in found or model.state != stopped
    ]
    return ranked(lines, wiring, door)


def entrants(competition: Competition) -> list[Entrant]:
    """Every model of a competition, left ones and ensembles too."""
    rows = competition.models.order_by().values_list(
        *("pk", "model_id", "name", "is_virtual", "state"),
        *("cruncher__name", "cruncher__cruncher_index"),
    )
    return [Entrant(*row) for row in rows]


def _standing(model: Entrant, found: Figures | None, config: CrunchConfig) -> Standing:
    aggregation = config.aggregation
    if found is None:
        names = [*aggregation.windows, *summary_fields(config)]
        found = Figures(
            metrics=dict.fromkeys(names),
            samples={name: {"count": 0, "expected": 0} for name in aggregation.windows},
        )
    return Standing(
        model=model,
        metrics=found.metrics,
        samples=found.samples,
        value=found.metrics[aggregation.ranking_key],
        counts=found.counts,
    )


def ranked(lines: Sequence[Standing], wiring: Wiring, door: Door) -> list[Standing]:
    """Put lines in order and number them; real models with a ranking figure get a rank.

    The others come last, by their ids, which is no merit. While an operator's ranker
    fails, the order is the engine's.
    """
    is_ascending = wiring.config.aggregation.ranking_direction == "asc"

    def place(line: Standing) -> tuple[bool, float, str]:
        if line.value is None:
            return True, 0.0, line.model.model_id
        return False, line.value if is_ascending else -line.value, line.model.model_id

    ordered: Sequence[Standing] = sorted(lines, key=place)
    if not wiring.is_default("LEADERBOARD_RANKER"):
        ordered = _by_slot(ordered, wiring, door)
    ranks = iter(range(1, len(ordered) + 1))
    return [
        line._replace(
            rank=None if line.model.is_virtual or line.value is None else next(ranks),
            position=position,
        )
        for position, line in enumerate(ordered, start=1)
    ]


def _by_slot(
    lines: Sequence[Standing], wiring: Wiring, door: Door
) -> Sequence[Standing]:
    """The order of the operator's ranker, by the `rank` that it gives each entry."""
    by_id = {line.model.model_id: line for line in lines}
    try:
        order = door.call_slot(
            wiring,
            "LEADERBOARD_RANKER",
            [as_entry(line, wiring.config) for line in lines],
            check=lambda entries: _checked_order(entries, by_id),
        )
    except CallableError:
        return lines
    return [by_id[model_id] for model_id in order]


class _Ranked(TypedDict):
    """What LEADERBOARD_RANKER gives of a model."""

    model_id: str
    rank: int


def _checked_order(entries: Any, known: Collection[str]) -> list[str]:
    """Model ids, best first; raises ValueError when one is lost or invented."""
    found = TypeAdapter(list[_Ranked]).validate_python(entries)
    order = [
        entry["model_id"]
        for entry in sorted(found, key=lambda e: (e["rank"], e["model_id"]))
    ]
    if sorted(order) != sorted(known):
        raise ValueError(
            f"it ranked {len(order)} entries of {len(known)}; "
            "it must return each entry once"
        )
    return order


def as_entry(line: Standing, config: CrunchConfig) -> dict[str, Any]:
    """A line as the slots see it."""
    return {
        "model_id": line.model.model_id,
        "model_name": line.model.name,
        "cruncher_name": line.model.cruncher_name,
        "score": {
            "metrics": dict(line.metrics),
            "ranking": {
                "key": config.aggregation.ranking_key,
                "value": line.value,
                "direction": config.aggregation.ranking_direction,
            },
        },
    }


def is_behind(competition: Competition, now: datetime) -> bool:
    """Whether the newest board lacks a score, or its windows have moved since."""
    newest = Leaderboard.objects.filter(competition=competition, is_newest=True)
    as_of = newest.values_list("as_of", flat=True).first()
    if as_of is None:
        return True
    length_s = competition.snapshot_period_s
    if floor(as_of, length_s) < floor(now, length_s):
        return True
    rounds = Round.objects.filter(competition=competition)
    return rounds.resolved_in(Period(as_of)).exists()


def publish(
    *,
    competition: Competition,
    wiring: Wiring,
    now: datetime,
    door: Door | None = None,
) -> Leaderboard | None:
    """Bring the newest board to this instant, or begin a new one, all at once.

    A board is the newest until its hour is over; those of past hours stay. What was
    scored at `now` itself is on it: `as_of` is the first instant that is not. The
    standings are worked out without a lock, so that an operator's callables hold up
    nobody; None if another worker has meanwhile published a later board.
    """
    as_of = now + timedelta.resolution
    door = door or Door(competition)
    lines = standings(competition=competition, wiring=wiring, as_of=as_of, door=door)
    with transaction.atomic():
        locks.own(competition.pk)
        return _write(competition, wiring, as_of, lines, door.failed)


def _write(
    competition: Competition,
    wiring: Wiring,
    as_of: datetime,
    lines: Sequence[Standing],
    stand_ins: Sequence[str],
) -> Leaderboard | None:
    now = as_of - timedelta.resolution
    newest = Leaderboard.objects.filter(competition=competition, is_newest=True)
    if newest.filter(as_of__gt=as_of, as_of__lte=as_of + LATER).exists():
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
    return board


def described(config: CrunchConfig) -> dict[str, dict[str, Any]]:
    """How much each figure of a board covers: hours, unit, and if it is a mean.

    A mean of snapshots weighs their figures by scores; the others are of all rounds.
    """
    hours = {name: window.hours for name, window in config.aggregation.windows.items()}
    means = averaged_fields(config)
    others = [*means, *(name for name in config.metrics if name not in means)]
    shortest = min(hours.values())
    whole = {config.aggregation.value_field, *hours, *score_fields(config)}
    return {
        name: {
            "hours": hours.get(name, shortest),
            "unit": UNITS.get(name, "rounds"),
            "is_mean_of_snapshots": name in means and name not in whole,
        }
        for name in [*hours, *others]
    }


def _write_lines(board: Leaderboard, lines: Sequence[Standing]) -> None:
    """Update each model's row where it stands; a reader never meets an empty board."""
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
