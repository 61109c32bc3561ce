"""Decide whom a period pays: the ranking of its models, and why others get nothing."""

import math
from dataclasses import dataclass
from typing import Any, NotRequired

from django.db.models import Count, F, FloatField, Max, Q, QuerySet, Sum
from django.db.models.functions import Cast, Greatest
from typing_extensions import TypedDict

from competitions.callables.guarded_calls import GuardedCalls
from competitions.models import Competition, Round
from competitions.slots import Wiring
from core.grid import Period
from core.rounding import rounded
from scoring.board.ranking import Standing
from scoring.board.standings import standings_of_period
from scoring.models import Snapshot


class Payee(TypedDict):
    """A model's line in a checkpoint: `rank` if it is paid, `reason` if it is not."""

    rank: NotRequired[int]
    model_id: str
    model_name: str
    cruncher_name: str | None
    cruncher_index: int | None
    prediction_count: int
    snapshot_count: int
    coverage: float
    ranking_value: float | None
    standard_error: float | None
    result_summary: dict[str, float | None]
    reason: NotRequired[str]


@dataclass(frozen=True)
class Payees:
    """The paid models, best first and ranked from 1; the others; the rounds' number."""

    ranking: list[Payee]
    unpaid: list[Payee]
    rounds_asked: int


def payees_of(
    *,
    competition: Competition,
    wiring: Wiring,
    period: Period,
    guarded: GuardedCalls | None = None,
) -> Payees:
    """Rank the models that a period pays, and give the reason for each other one.

    Virtual models are in neither list.
    """
    rounds = _rounds(competition, period)
    counts = _counts(competition, period)
    asked = rounds.asked
    ranking: list[Payee] = []
    unpaid: list[Payee] = []
    for line in standings_of_period(
        competition=competition, wiring=wiring, period=period, guarded=guarded
    ):
        if line.model.is_virtual:
            continue
        snapshots_of_model, scored, error = counts.get(line.model.pk, (0, 0, None))
        entry: Payee = {
            "model_id": line.model.model_id,
            "model_name": line.model.name,
            "cruncher_name": line.model.cruncher_name,
            "cruncher_index": line.model.cruncher_index,
            "prediction_count": scored,
            "snapshot_count": snapshots_of_model,
            "coverage": round(scored / asked, 6) if asked else 0.0,
            "ranking_value": line.value,
            "standard_error": error,
            "result_summary": dict(line.metrics),
        }
        if reason := _why_unpaid(line, scored, rounds, wiring):
            unpaid.append({**entry, "reason": reason})
        else:
            ranking.append({"rank": len(ranking) + 1, **entry})
    return Payees(ranking=ranking, unpaid=unpaid, rounds_asked=asked)


@dataclass(frozen=True)
class _Rounds:
    """The rounds of a period; `are_left_over` if all were asked before it."""

    asked: int
    are_left_over: bool


def _rounds(competition: Competition, period: Period) -> _Rounds:
    """Count the rounds that end inside the period, without void ones.

    A round without a truth counts as asked: if most have none, the few others pay
    nobody. The count is at least what the snapshots expected.
    """
    is_due = Q(resolvable_at__gte=period.start, resolvable_at__lt=period.end)
    is_asked = Q(performed_at__gte=period.start, performed_at__lt=period.end)
    found = (
        Round.objects.filter(
            is_due | is_asked, competition=competition, performed_at__isnull=False
        )
        .exclude(status=Round.Status.VOID)
        .aggregate(
            due=Count("pk", filter=is_due),
            asked=Count("pk", filter=is_asked),
            horizon=Max(F("resolvable_at") - F("performed_at"), filter=is_due),
        )
    )
    in_snapshots = (
        _snapshots(competition, period)
        .values("period_start")
        .annotate(most=Max(Greatest("expected_count", "prediction_count")))
        .values_list("most", flat=True)
    )
    # With a horizon as long as the period, rounds asked before it are normal.
    return _Rounds(
        asked=max(found["due"], sum(in_snapshots)),
        are_left_over=found["due"] > 0
        and found["asked"] == 0
        and found["horizon"] < (period.end - period.start) / 2,
    )


def _snapshots(competition: Competition, period: Period) -> QuerySet[Snapshot]:
    return (
        Snapshot.objects.current()
        .filter(
            model__competition=competition,
            period_end__gt=period.start,
            period_end__lte=period.end,
        )
        .order_by()
    )


def _counts(
    competition: Competition, period: Period
) -> dict[int, tuple[int, int, float | None]]:
    """Count each model's snapshots and scores; return its mean's standard error."""
    # As floats, because a square of a count can be beyond an integer column.
    weight, value = Cast("prediction_count", FloatField()), F("value")
    is_known = Q(value__isnull=False)
    weighed: QuerySet[Any, Any] = _snapshots(competition, period).values_list("model")
    return {
        model: (count, scored, _standard_error(*sums))
        for model, count, scored, *sums in weighed.annotate(
            snapshots=Count("pk"),
            scored=Sum("prediction_count"),
            parts=Count("pk", filter=is_known),
            w=Sum(weight, filter=is_known),
            ww=Sum(weight * weight, filter=is_known),
            wv=Sum(weight * value, filter=is_known),
            wwv=Sum(weight * weight * value, filter=is_known),
            wwvv=Sum(weight * weight * value * value, filter=is_known),
        )
    }


def _standard_error(parts: int, *sums: float | None) -> float | None:
    """Return the standard error of a mean of weighted parts; None of fewer than two.

    `sums` are those of the weights w, of w², and of wv, w²v and w²v² with the values v.
    """
    w, ww, wv, wwv, wwvv = (each or 0.0 for each in sums)
    if parts < 2 or not w:
        return None
    mean = wv / w
    squares = max(wwvv - 2 * mean * wwv + mean * mean * ww, 0.0)
    return rounded(math.sqrt(squares * parts / (parts - 1)) / w)


def _why_unpaid(line: Standing, scored: int, rounds: _Rounds, wiring: Wiring) -> str:
    """Return the reason that the model's owner reads; empty if it is paid."""
    least = wiring.config.min_paid_coverage
    if line.model.exclusion_reason:
        return f"it is excluded: {line.model.exclusion_reason}"
    if not scored:
        return "it scored in no round of the period"
    if least and rounds.are_left_over:
        return "no round was asked in the period; its scores are of rounds before it"
    if scored < least * rounds.asked:
        return (
            f"it scored in {scored} of {rounds.asked} rounds; "
            f"{least:.0%} of them are needed to be paid"
        )
    if line.value is None:
        return "its ranking figure is unknown"
    return ""
