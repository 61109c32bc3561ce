"""Edits of a competition's name, cadence and payouts, with what follows from them.

What names code that the site runs is not among it: superusers choose that in the admin.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.admin.models import CHANGE
from django.db import transaction

from competitions.lifecycle import begin_emissions, settle
from competitions.models import Competition
from core import audit
from core.facts import Fact, FactKind, announce

EDITABLE = (
    *("name", "score_interval_s", "snapshot_period_s", "emission_interval_s"),
    *("crunch_pubkey", "network", "compute_provider", "data_provider"),
)
MOST_SCHEDULES = 20  # that the fact of changed rules lists


@transaction.atomic
def edit(
    *, competition_id: int, changes: Mapping[str, Any], user: Any, reason: str
) -> Competition:
    """Change EDITABLE fields of a competition, as a whole and with its trail.

    Raises Django's ValidationError, by field, when the row would break a rule.
    """
    competition = Competition.objects.select_for_update().get(pk=competition_id)
    changed = [name for name in changes if getattr(competition, name) != changes[name]]
    if not changed:
        return competition
    had_key = bool(competition.crunch_pubkey)
    for name in changed:
        setattr(competition, name, changes[name])
    if not had_key and "emission_interval_s" not in changes:
        begin_emissions(competition)
    competition.full_clean()
    competition.save()
    settle(competition_id=competition.pk)
    tell_edited(competition, fields=changed)
    what = f"Changed {', '.join(changed)}. Reason: {reason}"
    audit.note(user, [competition], flag=CHANGE, what=what)
    return competition


def tell_edited(
    competition: Competition, *, fields: Sequence[str], schedules: Sequence[str] = ()
) -> None:
    """Announce an edit of a competition's rules, in the caller's transaction."""
    payload = {
        "what": "edited",
        "fields": list(fields),
        "schedules": list(schedules[:MOST_SCHEDULES]),
    }
    announce(Fact(FactKind.RULE_CHANGED, competition.pk, payload))
