"""Pages of reports: the values of a serializer's fields, without an object a row."""

from functools import cache
from typing import Any, NamedTuple

from django.db.models import QuerySet
from rest_framework import serializers

from core.paging import Keyset
from core.rendering import written

# What the database gives is what is shown; FastJson writes instants as their fields do.
_AS_IT_IS = (
    serializers.BooleanField,
    serializers.CharField,
    serializers.ChoiceField,
    serializers.DateTimeField,
    serializers.FloatField,
    serializers.IntegerField,
)
_JSON = (
    serializers.DictField,
    serializers.JSONField,
    serializers.ListField,
    serializers.ListSerializer,
)


class PrefixedKey(serializers.CharField):
    """A row's key with what it is: `SNAP_7`."""

    def __init__(self, *, prefix: str, **options: Any) -> None:
        super().__init__(source="pk", **options)
        self.prefix = prefix

    def to_representation(self, value: Any) -> str:
        return f"{self.prefix}{value}"


class _Selected(NamedTuple):
    names: list[str]
    sources: list[Any]  # query paths
    shown: dict[str, Any]  # by name, what shows a value that is not shown as it is


@cache
def _selected(row_class: type[serializers.Serializer[Any]]) -> _Selected:
    selected = _Selected([], [], {})
    for name, field in row_class().fields.items():
        path = str(field.source).replace(".", "__")
        if isinstance(field, PrefixedKey):
            selected.shown[name] = field.to_representation
        elif not isinstance(field, (*_AS_IT_IS, *_JSON)):
            raise TypeError(f"{row_class.__name__}.{name} is no column's value")
        selected.names.append(name)
        selected.sources.append(written(path) if isinstance(field, _JSON) else path)
    return selected


def page_of_rows(
    row_class: type[serializers.Serializer[Any]],
    rows: QuerySet[Any],
    order: Keyset,
    *,
    limit: int,
    cursor: str | None = None,
) -> tuple[list[dict[str, Any]], str | None]:
    """Return at most `limit` rows as `row_class` shows them, and the next cursor.

    Each of its fields names a column's value in `source`. JSON stays the text that the
    database has.
    """
    names, sources, shown = _selected(row_class)
    values, following = order.page_of_values(rows, sources, limit=limit, cursor=cursor)
    page = [dict(zip(names, each, strict=False)) for each in values]
    for name, show in shown.items():
        for row in page:
            row[name] = show(row[name])
    return page, following
