"""Compute scores over time, summed up as the leaderboard's windows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from django.db.models import Avg, Count, DateTimeField, F, Func, Value

from competitions.models import Competition, ParticipantModel, Round
from competitions.shared.window_rule import Summing
from competitions.wiring import shown_wiring
from scoring.board.window_sums import value_summing
from scoring.models import Score, Snapshot

SPAN = timedelta(hours=72)
# A competition younger than this many snapshot periods is drawn from its scores.
YOUNG_PERIODS = 6
MOST_ROUNDS = 500  # of a young competition, whose scores are drawn
YOUNG_BINS = 48
LEAST_SHARE = 0.1

Point = tuple[int, datetime, float | None, int]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Series:
    """A model's rolling figure: `at` in epoch seconds, ascending; NaN is unknown."""

    at: np.ndarray
    value: np.ndarray


def points_of(
    competition: Competition,
    models: Sequence[int],
    until: datetime,
    window: timedelta,
) -> tuple[list[Point], timedelta]:
    """Return the last 72 hours' points for `rolling`: (model, at, value, count).

    Also of how long a stretch each is: of a snapshot's period, or less while there are
    few snapshots, when points are means of scores; see `_bin_of`.
    """
    if (bins := _bin_of(competition, until)) is not None:
        return _from_scores(competition, models, bins), bins
    period = timedelta(seconds=competition.snapshot_period_s)
    return _from_snapshots(models, until - SPAN - window, until), period


def _bin_of(competition: Competition, until: datetime) -> timedelta | None:
    """Return the stretches by which a young competition's scores are drawn, else None.

    A period's value may be something else than the mean of its scores: an account's
    profit, or the operator's own summary. Then, or with many rounds, none are drawn.
    """
    config = shown_wiring(competition).config
    started = competition.activated_at or competition.created_at
    is_young = until - started < YOUNG_PERIODS * timedelta(
        seconds=competition.snapshot_period_s
    )
    if not is_young or config.trading is not None or config.aggregate_snapshot:
        return None
    rounds = Round.objects.filter(competition=competition).resolved()
    if rounds.order_by()[MOST_ROUNDS : MOST_ROUNDS + 1].exists():
        return None
    seconds = int((until - started).total_seconds() / YOUNG_BINS)
    return timedelta(seconds=max(1, seconds))


def recent(series: Mapping[int, Series], until: datetime) -> dict[int, Series]:
    """Return each series of the last 72 hours; omit those without a known value."""
    first = (until - SPAN).timestamp()
    cut = {
        model: Series(at=s.at[s.at > first], value=s.value[s.at > first])
        for model, s in series.items()
    }
    return {model: s for model, s in cut.items() if not np.isnan(s.value).all()}


def _from_snapshots(
    models: Sequence[int], since: datetime, until: datetime
) -> list[Point]:
    rows = (
        Snapshot.objects.current()
        .filter(model__in=models, period_end__gt=since, period_start__lt=until)
        .order_by("period_end")
    )
    return [
        (model, min(end, until), value, count)
        for model, end, value, count in rows.values_list(
            "model_id", "period_end", "value", "prediction_count"
        )
    ]


def _from_scores(
    competition: Competition, models: Sequence[int], step: timedelta
) -> list[Point]:
    """Return means per stretch of all scores, with one statement."""
    rounds = Round.objects.filter(competition=competition).resolved()
    binned = Func(
        Value(step),
        F("prediction__round__resolvable_at"),
        Value(EPOCH),
        function="date_bin",
        output_field=DateTimeField(),
    )
    return list(
        Score.objects.current()
        .filter(
            success=True,
            prediction__model__in=models,
            prediction__round__in=rounds.order_by().values("pk"),
        )
        .values_list("prediction__model_id", binned)
        .annotate(mean=Avg("value"), scores=Count("pk"))
        .order_by(binned)
    )


def summing_of_values(competition: Competition) -> Summing:
    """Return how a competition's values are summed up over a window."""
    return value_summing(shown_wiring(competition).config)


def summed_as(competition: Competition) -> str:
    """Return what a window shows of a competition's values: their total or mean."""
    is_total = summing_of_values(competition) is Summing.TOTAL
    return "Total" if is_total else "Mean"


def rolling(
    points: Iterable[Point],
    window: timedelta,
    summing: Summing = Summing.MEAN_OF_SCORES,
) -> dict[int, Series]:
    """Return what each model's points in `(at - window, at]` sum up to.

    Points must ascend by time; those without a value, and in a mean of scores those
    without a count, have no weight. The first means are unknown until the window holds
    a tenth of its maximum, because means of a few scores would stretch the axis.
    """
    grouped: dict[int, list[Point]] = {}
    for point in points:
        grouped.setdefault(point[0], []).append(point)
    return {model: _rolled(own, window, summing) for model, own in grouped.items()}


def _rolled(points: Sequence[Point], window: timedelta, summing: Summing) -> Series:
    at = np.array([p[1].timestamp() for p in points])
    known = np.array([p[2] is not None for p in points])
    is_by_scores = summing is Summing.MEAN_OF_SCORES
    weight = np.where(known, [float(p[3]) if is_by_scores else 1.0 for p in points], 0)
    value = np.array([p[2] if p[2] is not None else 0.0 for p in points])
    first = np.searchsorted(at, at - window.total_seconds(), side="right")
    total, sums = _sums(weight, first), _sums(weight * value, first)
    if summing is Summing.TOTAL:
        return Series(at, np.where(total > 0, sums, np.nan))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(total > 0, sums / total, np.nan)
    mean[: np.argmax(total >= total.max(initial=0.0) * LEAST_SHARE)] = np.nan
    return Series(at=at, value=mean)


def _sums(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return for each place i the sum of `values[first[i] : i + 1]`.

    Blocks of 1, 2, 4, ... values are added, and nothing is taken away: of a value that
    has left the window, no rounding is left.
    """
    sums, start = np.zeros(len(values)), first.copy()
    left, blocks, size = np.arange(1, len(values) + 1) - first, values, 1
    while left.any():
        takes = left % 2 == 1
        sums[takes] += blocks[start[takes]]
        start[takes] += size
        left, blocks = left // 2, blocks[:-size] + blocks[size:]
        size *= 2
    return sums


def on_one_grid(
    series: Sequence[Series],
) -> tuple[list[float], list[list[float | None]]]:
    """Return all instants, ascending, with each series' values; None is unknown."""
    if not series:
        return [], []
    grid = np.unique(np.concatenate([s.at for s in series])).tolist()
    table = []
    for own in series:
        known = {
            at: value
            for at, value in zip(own.at.tolist(), own.value.tolist(), strict=True)
            if not np.isnan(value)
        }
        table.append([known.get(at) for at in grid])
    return grid, table


def model_series(
    model: ParticipantModel, as_of: datetime, window: timedelta
) -> tuple[dict[str, Series], timedelta]:
    """Return the model's rolling figure, and that of each period, by name.

    Also how long such a period is; see `points_of`.
    """
    competition = model.competition
    points, step = points_of(competition, [model.pk], as_of, window)
    summing = summing_of_values(competition)
    name = f"Rolling {summed_as(competition).lower()}"
    lines = {
        name: recent(rolling(points, window, summing), as_of),
        "Each period": recent(rolling(points, timedelta.resolution, summing), as_of),
    }
    found = {name: own[model.pk] for name, own in lines.items() if model.pk in own}
    return found, step
