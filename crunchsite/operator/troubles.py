"""Problems of competitions that need a person, for the flight deck."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from competitions.definition import key_of
from competitions.models import (
    CallableFailure,
    Competition,
    Round,
    ScheduledPrediction,
)
from competitions.wiring import shown_wiring
from core import clock
from core.texts import counted
from crunchsite.operator.buttons import buttons_for
from emissions.models import Checkpoint

HOUR = timedelta(hours=1)
# Whatever takes longer than this in real time, beyond its own cadence, is stuck.
PATIENCE_S = 30


@dataclass(frozen=True)
class Trouble:
    """One problem that needs a person: what, where, since when, and where to look."""

    what: str
    where: str
    since: datetime | None
    url: str
    press: SafeString | str = ""
    is_severe: bool = True


@dataclass
class CompetitionLine:
    """The figures of one competition on the dashboard."""

    competition: Competition
    last_round: datetime | None = None
    last_board: datetime | None = None
    missed: int = 0
    missed_since: datetime | None = None
    unresolvable: int = 0
    lost_since: datetime | None = None
    running: int = 0
    models: int = 0
    press: SafeString = field(default_factory=SafeString)


def failing_callables(lines: dict[int, CompetitionLine]) -> Iterator[Trouble]:
    """Yield callables that fail now; callables.md lists their replacements."""
    for failure in CallableFailure.objects.filter(competition__in=lines):
        yield Trouble(
            what=f"{failure.callable} ({failure.path}) fails, "
            f"{counted(failure.count, 'time')} in a row: {failure.text}",
            where=lines[failure.competition_id].competition.slug,
            since=failure.first_at,
            url=reverse(
                "admin:competitions_competition_change", args=[failure.competition_id]
            ),
        )


def unpayable(lines: dict[int, CompetitionLine]) -> Iterator[Trouble]:
    """Yield competitions whose periods close and cannot be paid."""
    for line in lines.values():
        competition = line.competition
        pays = competition.activated_at and competition.emission_interval_s
        if not pays or competition.crunch_pubkey:
            continue
        if not key_of(competition, shown_wiring(competition)):
            yield Trouble(
                what="No crunch key, so no period is paid. Set the competition's"
                " crunch pubkey; then all closed periods are paid.",
                where=competition.slug,
                since=None,
                url=reverse(
                    "admin:competitions_competition_change", args=[competition.pk]
                ),
            )


def stuck_rounds(
    lines: dict[int, CompetitionLine], now: datetime, user: Any
) -> Iterator[Trouble]:
    """Yield due rounds that are not asked, and asked ones that are not scored."""
    late = now - clock.wall_seconds(PATIENCE_S)
    waiting = Q(performed_at__isnull=True, slot_at__lt=late)
    due = Q(performed_at__isnull=False, resolvable_at__lt=late)
    rounds = Round.objects.filter(competition__in=lines, status="RECEIVED")
    for pk, asked_not, asked_since, scored_not, scored_since in (
        rounds.order_by()
        .values_list("competition_id")
        .annotate(
            asked_not=Count("pk", filter=waiting),
            asked_since=Min("slot_at", filter=waiting),
            scored_not=Count("pk", filter=due),
            scored_since=Min("resolvable_at", filter=due),
        )
    ):
        where = lines[pk].competition.slug
        url = list_address("competitions_round", competition=pk, status="RECEIVED")
        if asked_not:
            yield Trouble(
                what=f"Models not asked yet: {counted(asked_not, 'round')}. "
                "Are a worker of the queue models and the orchestrator up?",
                where=where,
                since=asked_since,
                url=url,
                press=buttons_for(user, pk, ["predict-now"]),
            )
        patience = timedelta(seconds=3 * lines[pk].competition.score_interval_s)
        if scored_not and scored_since < late - patience:
            yield Trouble(
                what=f"Waiting for truth: {counted(scored_not, 'round')}. "
                "Does the feed reach past them, and is a worker of scoring up?",
                where=where,
                since=scored_since,
                url=url,
                press=buttons_for(user, pk, ["score-now"]),
            )


def lost_rounds(lines: dict[int, CompetitionLine]) -> Iterator[Trouble]:
    reasons = _newest_misses(lines)
    for pk, line in lines.items():
        for count, since, status, what in (
            (line.missed, line.missed_since, "MISSED", "Missed"),
            (
                *(line.unresolvable, line.lost_since),
                *("UNRESOLVABLE", "Ended without a truth"),
            ),
        ):
            if count:
                why = reasons.get(pk) if status == "MISSED" else ""
                why = f" The newest: {why}" if why else ""
                yield Trouble(
                    what=f"{what}, last hour: {counted(count, 'round')}.{why}",
                    where=line.competition.slug,
                    since=since,
                    url=list_address(
                        "competitions_round", competition=pk, status=status
                    ),
                    is_severe=False,
                )


def _newest_misses(lines: dict[int, CompetitionLine]) -> dict[int, str]:
    """Return why the newest of each competition's missed rounds was missed."""
    begins = [line.missed_since for line in lines.values() if line.missed_since]
    if not begins:
        return {}
    newest = (
        Round.objects.filter(
            competition__in=lines, status="MISSED", slot_at__gte=min(begins)
        )
        .order_by("competition_id", "-slot_at")
        .distinct("competition_id")
    )
    return dict(newest.values_list("competition_id", "reason"))


def unscheduled(lines: dict[int, CompetitionLine]) -> Iterator[Trouble]:
    """Yield active competitions without an active schedule."""
    active = active_lines(lines)
    scheduled = set(
        ScheduledPrediction.objects.filter(
            competition__in=[line.competition for line in active],
            active=True,
            next_slot_at__isnull=False,
        ).values_list("competition_id", flat=True)
    )
    for line in active:
        if line.competition.pk not in scheduled:
            yield Trouble(
                what="Active, but nothing is scheduled: make a schedule active or add "
                "one; it runs from the next slot of its grid on.",
                where=line.competition.slug,
                since=line.last_round,
                url=reverse(
                    "admin:competitions_competition_change", args=[line.competition.pk]
                ),
            )


def unpaid(lines: dict[int, CompetitionLine]) -> Iterator[Trouble]:
    pending = Checkpoint.objects.filter(competition__in=lines, status="PENDING")
    for pk, count, since in (
        pending.order_by()
        .values_list("competition_id")
        .annotate(pending=Count("pk"), since=Min("created_at"))
    ):
        yield Trouble(
            what=f"Waiting for a transaction: {counted(count, 'checkpoint')}.",
            where=lines[pk].competition.slug,
            since=since,
            url=list_address("emissions_checkpoint", competition=pk, status="PENDING"),
            is_severe=False,
        )


def active_lines(lines: dict[int, CompetitionLine]) -> list[CompetitionLine]:
    """Return those of active competitions."""
    return [
        line
        for line in lines.values()
        if line.competition.status == Competition.Status.ACTIVE
    ]


def list_address(model: str, **filters: Any) -> str:
    """Return the address of a filtered change list."""
    query = {
        f"{name}__id__exact" if name == "competition" else f"{name}__exact": value
        for name, value in filters.items()
    }
    return f"{reverse(f'admin:{model}_changelist')}?{urlencode(query)}"
