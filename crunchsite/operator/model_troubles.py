"""Problems of models that need a person, for the flight deck."""

from collections.abc import Iterator

from django.db.models import Count, Exists, Min, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse

from competitions.models import (
    Competition,
    ParticipantModel,
    Prediction,
    Round,
    SubmittedVersion,
)
from core.texts import counted
from crunchsite.operator.troubles import (
    HOUR,
    CompetitionLine,
    Trouble,
    active_lines,
    list_address,
)


def unanswered_rounds(lines: dict[int, CompetitionLine]) -> Iterator[Trouble]:
    """Yield active competitions whose newest round no model answered, or had none.

    It is so since the last answer, which is looked for in the last hour.
    """
    active = [line.competition.pk for line in active_lines(lines)]
    asked = Round.objects.filter(
        competition=OuterRef("pk"), performed_at__isnull=False, tournament=None
    )
    newest = Competition.objects.filter(pk__in=active).values_list(
        Subquery(asked.order_by("-slot_at").values("pk")[:1])
    )
    answers = Prediction.objects.filter(round=OuterRef("pk")).order_by()
    reasons = answers.values("reason").annotate(count=Count("pk")).order_by("-count")
    is_answered = Exists(answers.filter(outcome=Prediction.Outcome.ANSWERED))
    answered = Round.objects.filter(
        is_answered,
        competition=OuterRef("competition"),
        slot_at__gt=OuterRef("slot_at") - HOUR,
        slot_at__lte=OuterRef("slot_at"),
    )
    for pk, since, reason in (
        Round.objects.filter(~is_answered, pk__in=newest)
        .annotate(last=Subquery(answered.order_by("-slot_at").values("slot_at")[:1]))
        .values_list(
            "competition_id",
            Coalesce("last", "slot_at"),
            Subquery(reasons.values("reason")[:1]),
        )
    ):
        yield Trouble(
            what="No model answered the newest round: "
            + ("none takes part" if reason is None else reason),
            where=lines[pk].competition.slug,
            since=since,
            url=list_address("competitions_participantmodel", competition=pk),
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
            url=list_address("competitions_participantmodel", competition=pk),
            is_severe=count == lines[pk].models,
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
