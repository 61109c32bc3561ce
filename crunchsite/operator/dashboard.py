"""The flight deck, the admin's first page: what is stuck, since when, what to do."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, Q
from django.http import HttpRequest

from competitions.models import (
    Competition,
    ParticipantModel,
    Round,
)
from core import clock
from core.acts import SEE_ALL, may
from crunchsite.operator.buttons import buttons_for
from crunchsite.operator.model_troubles import (
    failing_models,
    quarantined_models,
    unanswered_rounds,
    waiting_submissions,
)
from crunchsite.operator.site_troubles import (
    failing_webhooks,
    overdue_pool,
    silent_processes,
    stale_feeds,
    unsigned_log,
)
from crunchsite.operator.troubles import (
    HOUR,
    CompetitionLine,
    failing_callables,
    lost_rounds,
    stuck_rounds,
    unpaid,
    unpayable,
    unscheduled,
)
from scoring.models import Leaderboard


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the flight deck to the admin's index, in a constant number of statements.

    Each part is shown to users who may view what it is about.
    """
    now, user = clock.now(), request.user
    lines = _lines(now, user) if may(user, SEE_ALL) else {}
    troubles = [
        *(silent_processes() if may(user, SEE_ALL) else []),
        *stuck_rounds(lines, now, user),
        *unanswered_rounds(lines),
        *lost_rounds(lines),
        *unscheduled(lines),
        *failing_models(lines),
        *quarantined_models(lines),
        *waiting_submissions(lines),
        *(unsigned_log() if may(user, SEE_ALL) else []),
        *(stale_feeds(now) if may(user, "feeds.view_feedsubscription") else []),
        *failing_callables(lines),
        *unpayable(lines),
        *unpaid(lines),
        *(overdue_pool() if may(user, "livepool.view_release") else []),
        *(failing_webhooks() if may(user, "events.view_webhook") else []),
    ]
    return {
        **context,
        "lines": lines.values(),
        "troubles": troubles,
        "sees_all": may(user, SEE_ALL),
        "now": now,
    }


def _lines(now: datetime, user: Any) -> dict[int, CompetitionLine]:
    competitions = Competition.objects.exclude(status=Competition.Status.ENDED)
    lines = {c.pk: CompetitionLine(competition=c) for c in competitions}
    rounds = Round.objects.filter(
        competition__in=lines, slot_at__gt=now - HOUR, slot_at__lte=now
    )
    for pk, last, missed, missed_since, unresolvable, lost_since in (
        rounds.order_by()
        .values_list("competition_id")
        .annotate(
            last=Max("performed_at"),
            missed=Count("pk", filter=Q(status="MISSED")),
            missed_since=Min("slot_at", filter=Q(status="MISSED")),
            lost=Count("pk", filter=Q(status="UNRESOLVABLE")),
            lost_since=Min("slot_at", filter=Q(status="UNRESOLVABLE")),
        )
    ):
        line = lines[pk]
        line.last_round = last
        line.missed, line.missed_since = missed, missed_since
        line.unresolvable, line.lost_since = unresolvable, lost_since
    boards = Leaderboard.objects.filter(competition__in=lines, is_newest=True)
    for pk, as_of in boards.values_list("competition_id", "as_of"):
        lines[pk].last_board = as_of
    roster = ParticipantModel.objects.real().filter(competition__in=lines)
    for pk, models, running in (
        roster.exclude(state="STOPPED")
        .order_by()
        .values_list("competition_id")
        .annotate(roster=Count("pk"), running=Count("pk", filter=Q(state="RUNNING")))
    ):
        lines[pk].models, lines[pk].running = models, running
    for line in lines.values():
        names = (
            ["predict-now", "score-now", "pause"]
            if line.competition.status == Competition.Status.ACTIVE
            else ["activate"]
        )
        line.press = buttons_for(user, line.competition.pk, names)
    return lines
