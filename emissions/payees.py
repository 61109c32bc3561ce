"""Decide whom a period pays: the ranking of its models, and why others get nothing."""

from dataclasses import dataclass
from typing import NotRequired

from django.db.models import Count, F, Max, Q
from typing_extensions import TypedDict

from competitions.callables.guarded_calls import GuardedCalls
from competitions.models import Competition, Round
from competitions.slots import Wiring
from core.grid import Period
from core.texts import counted
from emissions.coverage import is_covered, percent
from scoring.board.period_sums import Counted, read_period
from scoring.board.ranking import Standing
from scoring.board.standings import standings_of_period


class Payee(TypedDict):
    """A model's line in a checkpoint: `rank` if it is paid, `reason` if it is not.

    `standard_error` is that of the ranking value, left out unless that is a mean.
    """

    rank: NotRequired[int]
    model_id: str
    model_name: str
    cruncher_name: str | None
    cruncher_index: int | None
    prediction_count: int
    snapshot_count: int
    coverage: float
    ranking_value: float | None
    standard_error: NotRequired[float | None]
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
    found = read_period(competition, wiring.config, period)
    rounds = _rounds(competition, period, found.rounds)
    nothing = Counted(0, 0, None)
    asked = rounds.asked
    aggregation = wiring.config.aggregation
    ranking: list[Payee] = []
    unpaid: list[Payee] = []
    for line in standings_of_period(
        competition=competition,
        wiring=wiring,
        period=period,
        sums=found.sums,
        guarded=guarded,
    ):
        if line.model.is_virtual:
            continue
        counted = found.counted.get(line.model.pk, nothing)
        scored = counted.scored
        entry: Payee = {
            "model_id": line.model.model_id,
            "model_name": line.model.name,
            "cruncher_name": line.model.cruncher_name,
            "cruncher_index": line.model.cruncher_index,
            "prediction_count": scored,
            "snapshot_count": counted.snapshots,
            "coverage": round(scored / asked, 6) if asked else 0.0,
            "ranking_value": line.value,
            "result_summary": dict(line.metrics),
        }
        if aggregation.ranking_key in aggregation.windows:
            entry["standard_error"] = counted.standard_error
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


def _rounds(competition: Competition, period: Period, in_snapshots: int) -> _Rounds:
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
    # With a horizon as long as the period, rounds asked before it are normal.
    return _Rounds(
        asked=max(found["due"], in_snapshots),
        are_left_over=found["due"] > 0
        and found["asked"] == 0
        and found["horizon"] < (period.end - period.start) / 2,
    )


def _why_unpaid(line: Standing, scored: int, rounds: _Rounds, wiring: Wiring) -> str:
    """Return the reason that the model's owner reads; empty if it is paid."""
    least = wiring.config.min_paid_coverage
    if line.model.exclusion_reason:
        return f"it is excluded: {line.model.exclusion_reason}"
    if not scored:
        return "it scored in no round of the period"
    if least and rounds.are_left_over:
        return "no round was asked in the period; its scores are of rounds before it"
    if not is_covered(scored, asked=rounds.asked, least=least):
        return (
            f"it scored in {scored} of {counted(rounds.asked, 'round')}; "
            f"{percent(least)} of them are needed to be paid"
        )
    if line.value is None:
        return "its ranking figure is unknown"
    return ""
