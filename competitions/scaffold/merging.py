"""Decide what edited files change on a site whose operators edit, too.

A definition is two levels of mappings: place -> field -> value, where the place "" is
the competition itself and every other one a schedule. What the files said when they
were last applied tells an edit of the files from an edit on the site.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Values = Mapping[str, Mapping[str, Any]]

# A schedule that the files no longer have asks nothing more; its rounds remain.
_STOPPED = {"active": False}


@dataclass(frozen=True)
class Difference:
    """One value that the site and the files do not agree about."""

    place: str
    field: str
    site: Any
    files: Any

    def __str__(self) -> str:
        of = f"{self.place}: " if self.place else ""
        return f"{of}{self.field} is {self.site!r} on the site, {self.files!r} in files"


@dataclass
class Merge:
    """What the files change; what only a person decides; what operators changed."""

    taken: list[Difference] = field(default_factory=list)
    asked: list[Difference] = field(default_factory=list)
    standing: list[Difference] = field(default_factory=list)

    @property
    def all(self) -> list[Difference]:
        return [*self.taken, *self.asked, *self.standing]


def merge(*, before: Values, site: Values, files: Values) -> Merge:
    """Sort the differences by who made them; `before` is what the files said then.

    What changed in the files alone is taken. What changed on the site alone stands.
    What changed on both sides, or for which no earlier value is known, is asked.
    """
    found = Merge()
    wanted = {**{p: _STOPPED for p in before if p in site}, **files}
    for place, values in wanted.items():
        is_new = place not in site
        for name, value in values.items():
            now = None if is_new else site[place].get(name)
            if not is_new and now == value:
                continue
            difference = Difference(place, name, now, value)
            earlier = before.get(place, {})
            if is_new or (name in earlier and earlier[name] == now):
                found.taken.append(difference)
            elif name in earlier and earlier[name] == value:
                found.standing.append(difference)
            else:
                found.asked.append(difference)
    return found


def remembered(*, before: Values, files: Values, open_: list[Difference]) -> Values:
    """Return what to keep as said by the files; what is still open keeps its past."""
    kept = {place: dict(values) for place, values in files.items()}
    for each in open_:
        if each.place in kept:
            kept[each.place].pop(each.field, None)
        past = before.get(each.place, {})
        if each.field in past:
            kept.setdefault(each.place, {})[each.field] = past[each.field]
    return kept
