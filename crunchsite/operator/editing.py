"""Edits of a competition's name, cadence and payouts, with what follows from them.

What names code that the site runs is not among it: superusers choose that in the admin.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.admin.models import CHANGE
from django.db import transaction

from competitions.kept_rules import keep_rules
from competitions.lifecycle import begin_emissions, settle
from competitions.models import Competition
from core import audit
from core.facts import Fact, FactKind, announce
from scoring.scores.store import begin_version

EDITABLE = (
    *("name", "score_interval_s", "snapshot_period_s", "emission_interval_s"),
    *("crunch_pubkey", "network", "compute_provider", "data_provider"),
)
# The fields that name code for the site to run.
WIRING = ("config_path", "slots")
MOST_SCHEDULES = 20  # that the fact of changed rules lists


@transaction.atomic
def edit(
    *, competition_id: int, changes: Mapping[str, Any], user: Any, reason: str
) -> Competition:
    """Change EDITABLE fields of a competition, as a whole and with its trail.

    Raises Django's ValidationError, by field, when the row would break a rule.
    """
    competition = Competition.objects.held().get(pk=competition_id)
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
    tell_edited(competition, fields=changed, author=user.get_username(), reason=reason)
    what = f"Changed {', '.join(changed)}. Reason: {reason}"
    audit.note(user, [competition], flag=CHANGE, what=what)
    return competition


def rewired(
    competition: Competition, changed: Sequence[str], *, author: str
) -> int | None:
    """Forget failures of the code before, and begin a scoring version for the new one.

    `changed` are those fields of WIRING that have changed. Returns the version, None
    when nothing was scored yet.
    """
    competition.callable_failures.all().delete()
    reason = f"{' and '.join(changed)} changed"
    return begin_version(competition=competition, reason=reason, author=author)


def tell_edited(
    competition: Competition,
    *,
    fields: Sequence[str],
    schedules: Sequence[str] = (),
    author: str = "",
    reason: str = "",
) -> None:
    """Announce an edit of a competition's rules and keep them, in one transaction."""
    payload = {
        "what": "edited",
        "fields": list(fields),
        "schedules": list(schedules[:MOST_SCHEDULES]),
    }
    announce(Fact(FactKind.RULE_CHANGED, competition.pk, payload))
    what = f"{', '.join([*map(_worded, fields), *schedules])} changed"
    keep_rules(competition_id=competition.pk, author=author, reason=reason or what)


def _worded(field: str) -> str:
    """Return a field's words, for everybody, with its name as the files have it."""
    words = field.lower().removesuffix("_s").replace("_", " ")
    return words if words == field else f"{words} ({field})"
