"""Find the closed snapshot periods that a correction affects."""

from datetime import datetime

from django.db.models import QuerySet

from competitions.models import Competition, Round
from core.grid import Period
from scoring.models import Snapshot


def closed_periods(competition: Competition, **where: datetime) -> list[Period]:
    """Return closed periods with their lengths at that time."""
    spans = (
        Snapshot.objects.current()
        .filter(model__competition=competition, is_closed=True, **where)
        .order_by("period_start")
        .values_list("period_start", "period_end")
        .distinct()
    )
    return [Period(*span) for span in spans]


def closed_periods_of(
    competition: Competition, rounds: QuerySet[Round]
) -> list[Period]:
    """Return the closed periods in which rounds were resolved."""
    resolved_at = rounds.values_list("resolved_at", flat=True)
    instants = {at for at in resolved_at if at is not None}
    if not instants:
        return []
    periods = closed_periods(
        competition, period_end__gt=min(instants), period_start__lte=max(instants)
    )
    return [period for period in periods if any(period.holds(at) for at in instants)]
