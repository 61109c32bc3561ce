"""Problems of competitions that need a person, for the flight deck."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, Min, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from competitions.models import (
    CallableFailure,
    Competition,
    ParticipantModel,
    Prediction,
    Round,
    ScheduledPrediction,
    SubmittedVersion,
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
        if not shown_wiring(competition).config.crunch_pubkey:
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
        url = _list("competitions_round", competition=pk, status="RECEIVED")
        if asked_not:
            yield Trouble(
                what=f"Models not asked yet: {counted(asked_not, 'round')}. "
                "Is a worker of the queue models up?",
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
    for pk, line in lines.items():
        for count, since, status, what in (
            (line.missed, line.missed_since, "MISSED", "Missed"),
            (
                *(line.unresolvable, line.lost_since),
                *("UNRESOLVABLE", "Ended without a truth"),
            ),
        ):
            if count:
                yield Trouble(
                    what=f"{what}, last hour: {counted(count, 'round')}.",
                    where=line.competition.slug,
                    since=since,
                    url=_list("competitions_round", competition=pk, status=status),
                    is_severe=False,
                )


def failing_models(lines: dict[int, CompetitionLine]) -> Iterator[Trouble]:
    models = ParticipantModel.objects.real().filter(
        Q(state="RECOVERING") | Q(first_error_at__isnull=False),
        competition__in=lines,
    )
    for pk, count, since in (
        models.exclude(state="STOPPED")
        .order_by()
        .values_list("competition_id")
        .annotate(failing=Count("pk"), since=Min("first_error_at"))
    ):
        yield Trouble(
            what=f"Failing: {count} of {counted(lines[pk].models, 'model')}.",
            where=lines[pk].competition.slug,
            since=since,
            url=_list("competitions_participantmodel", competition=pk),
            is_severe=count == lines[pk].models,
        )


def unanswered_rounds(lines: dict[int, CompetitionLine]) -> Iterator[Trouble]:
    """Yield active competitions whose newest round was answered by no model."""
    active = [
        pk
        for pk, line in lines.items()
        if line.competition.status == Competition.Status.ACTIVE
    ]
    asked = Round.objects.filter(
        competition=OuterRef("pk"), performed_at__isnull=False, tournament=None
    )
    newest = Competition.objects.filter(pk__in=active).values_list(
        Subquery(asked.order_by("-slot_at").values("pk")[:1])
    )
    answers = Prediction.objects.filter(round=OuterRef("pk")).order_by()
    reasons = answers.values("reason").annotate(count=Count("pk")).order_by("-count")
    for pk, slot_at, reason in (
        Round.objects.filter(Exists(answers), pk__in=newest)
        .exclude(Exists(answers.filter(outcome=Prediction.Outcome.ANSWERED)))
        .values_list(
            "competition_id", "slot_at", Subquery(reasons.values("reason")[:1])
        )
    ):
        yield Trouble(
            what=f"No model answered the newest round: {reason}",
            where=lines[pk].competition.slug,
            since=slot_at,
            url=_list("competitions_participantmodel", competition=pk),
        )


def quarantined_models(lines: dict[int, CompetitionLine]) -> Iterator[Trouble]:
    """Yield models that stay stopped until their code changes or an operator acts."""
    for pk, count, since in (
        ParticipantModel.objects.quarantined()
        .filter(competition__in=lines)
        .order_by()
        .values_list("competition_id")
        .annotate(count=Count("pk"), since=Min("last_error_at"))
    ):
        yield Trouble(
            what=f"Quarantined, no longer asked: {counted(count, 'model')}. "
            f"{counted(lines[pk].running, 'model')} running.",
            where=lines[pk].competition.slug,
            since=since,
            url=reverse("admin:local-models"),
            is_severe=lines[pk].running == 0,
        )


def waiting_submissions(lines: dict[int, CompetitionLine]) -> Iterator[Trouble]:
    """Yield submissions that wait because the site cannot check them."""
    waiting = SubmittedVersion.objects.waiting().exclude(reason="")
    for row in waiting.filter(competition__in=lines)[:1]:
        yield Trouble(
            what=f"Submitted models wait for their check: {row.reason}",
            where=lines[row.competition_id].competition.slug,
            since=row.created_at,
            url=reverse("admin:competitions_submittedversion_changelist"),
        )


def unscheduled(lines: dict[int, CompetitionLine]) -> Iterator[Trouble]:
    """Yield active competitions without an active schedule."""
    active = [
        line
        for line in lines.values()
        if line.competition.status == Competition.Status.ACTIVE
    ]
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
            url=_list("emissions_checkpoint", competition=pk, status="PENDING"),
            is_severe=False,
        )


def _list(model: str, **filters: Any) -> str:
    """Return the address of a filtered change list."""
    query = {
        f"{name}__id__exact" if name == "competition" else f"{name}__exact": value
        for name, value in filters.items()
    }
    return f"{reverse(f'admin:{model}_changelist')}?{urlencode(query)}"
