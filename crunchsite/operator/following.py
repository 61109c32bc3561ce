"""Bring a competition in line with edited files, where no operator has edited it.

The files are those of a workspace. What an operator changed on the site stands; what
both changed is left as it is, and said, until somebody decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from django.db import transaction

from competitions.drafting import WHOLE, Draft, check_row, written_values
from competitions.errors import DefinitionError
from competitions.lifecycle import settle
from competitions.models import Competition, ScheduledPrediction
from competitions.scaffold.merging import Difference, Merge, merge, remembered
from crunchsite.operator.editing import WIRING, rewired, tell_edited

# Who decides about what was changed on both sides.
Side = Literal["", "files", "site"]


@dataclass(frozen=True)
class Followed:
    """What was taken from the files, what is open, and why the site refused a value."""

    taken: list[Difference]
    asked: list[Difference]
    refused: list[str]

    def lines(self) -> list[str]:
        """Return a sentence for each, for people."""
        return [
            *(f"{_named(d)} is {d.files!r} now, {d.site!r} before" for d in self.taken),
            *(
                f"{d}: `coordinator rules apply --files` takes the files', `--site` "
                "keeps the site's"
                for d in self.asked
            ),
            *self.refused,
        ]


def _named(difference: Difference) -> str:
    place = f"{difference.place}: " if difference.place else ""
    return f"{place}{difference.field}"


def differences(competition: Competition, draft: Draft) -> Merge:
    """Return how a competition differs from the files that a draft was made from."""
    return merge(
        before=competition.as_written,
        site=written_values(competition),
        files=draft.values(),
    )


@transaction.atomic
def follow_files(
    draft: Draft, *, side: Side = "", author: str = "the files"
) -> Followed:
    """Apply what changed in the files alone; with a `side`, all that differs.

    A schedule whose new values break a rule stays as it is, alone. Safe to repeat.
    """
    competition = Competition.objects.held().get(slug=draft.competition.slug)
    if competition.status == Competition.Status.ENDED:
        return Followed([], [], [])
    found = differences(competition, draft)
    open_ = [] if side else found.asked
    wanted = found.all if side == "files" else [] if side == "site" else found.taken
    taken: list[Difference] = []
    refused: list[str] = []
    for place, group in groupby(_in_order(wanted), key=lambda d: d.place):
        changes = list(group)
        try:
            _write(competition, place, changes)
        except DefinitionError as error:
            of = f"{place}: " if place else ""
            refused.append(f"{of}the files' values cannot be taken: {error}")
            open_ = [*open_, *changes]
        else:
            taken += changes
    competition.as_written = remembered(
        before=competition.as_written, files=draft.values(), open_=open_
    )
    competition.save(update_fields=["as_written"])
    if taken:
        _announce(competition, taken, author)
    return Followed(taken, [] if side else found.asked, refused)


def _in_order(differences: Iterable[Difference]) -> list[Difference]:
    """Sort by place: the competition first, since schedules are held to its feed."""
    return sorted(differences, key=lambda d: (d.place != WHOLE, d.place))


def _write(competition: Competition, place: str, changes: list[Difference]) -> None:
    row = competition if place == WHOLE else _schedule(competition, place)
    before = {each.field: getattr(row, each.field) for each in changes}
    _set(row, {each.field: each.files for each in changes})
    try:
        check_row(row)
    except DefinitionError:
        _set(row, before)
        raise
    row.save()


def _schedule(competition: Competition, scope_key: str) -> ScheduledPrediction:
    found = competition.scheduled_predictions.filter(scope_key=scope_key).first()
    row = found or ScheduledPrediction(scope_key=scope_key)
    row.competition = competition  # as it is about to be
    return row


def _set(row: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)


def _announce(competition: Competition, taken: list[Difference], author: str) -> None:
    fields = [each.field for each in taken if each.place == WHOLE]
    schedules = sorted({each.place for each in taken if each.place != WHOLE})
    if changed := [name for name in WIRING if name in fields]:
        rewired(competition, changed, author=author)
    settle(competition_id=competition.pk)
    tell_edited(competition, fields=fields, schedules=schedules, author=author)
