"""The columns of a resource: one list for JSON, CSV, Parquet, the schema and `fields`.

A column says where its values are read, and what they are. Only the columns that are
asked for are read from the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import ExpressionWrapper, F, QuerySet, TextField
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from core.rendering import written


class Kind(StrEnum):
    """What the values of a column are, in each format."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    DATE = "date"
    JSON = "json"  # an object or a list; its text in CSV and Parquet


_FIELDS: dict[Kind, type[serializers.Field[Any, Any, Any, Any]]] = {
    Kind.TEXT: serializers.CharField,
    Kind.INTEGER: serializers.IntegerField,
    Kind.NUMBER: serializers.FloatField,
    Kind.BOOLEAN: serializers.BooleanField,
    Kind.INSTANT: serializers.DateTimeField,
    Kind.DATE: serializers.DateField,
    Kind.JSON: serializers.JSONField,
}


@dataclass(frozen=True)
class Column:
    """One column; `path` is the query path of its values, its name unless given."""

    name: str
    kind: Kind
    path: str = ""
    help: str = ""

    @property
    def source(self) -> str:
        return self.path or self.name

    @property
    def as_text(self) -> Any:
        """What a file's query selects: JSON stays the text that the database has."""
        if self.kind == Kind.JSON:
            return ExpressionWrapper(F(self.source), TextField())
        return self.source

    @property
    def as_written(self) -> Any:
        """What a page's query selects: JSON stays as the database has it."""
        return written(self.source) if self.kind == Kind.JSON else self.source

    def field(self) -> serializers.Field[Any, Any, Any, Any]:
        """Return the field that describes the column in the schema."""
        field = _FIELDS[self.kind]
        return field(required=False, allow_null=True, help_text=self.help or None)


def chosen_columns(
    columns: Sequence[Column], names: Sequence[str] | None
) -> list[Column]:
    """Return the columns that `fields` names, in the resource's order; all without it.

    Raises ValidationError, code `field_unknown`.
    """
    if names is None:
        return list(columns)
    known = [column.name for column in columns]
    for name in names:
        if name not in known:
            raise ValidationError(
                {"fields": f"has no {name!r}; there are {', '.join(known)}."},
                code="field_unknown",
            )
    return [column for column in columns if column.name in names]


def values_of(
    rows: QuerySet[Any], columns: Sequence[Column], *more: str, as_text: bool = False
) -> QuerySet[Any, Any]:
    """Select the columns as tuples, and the values of the paths `more` after them."""
    sources = [column.as_text if as_text else column.as_written for column in columns]
    return rows.values_list(*sources, *more)


def row_serializer(
    name: str, columns: Sequence[Column]
) -> type[serializers.Serializer[Any]]:
    """Return what describes a row in the schema, under `name`."""
    fields: dict[str, Any] = {column.name: column.field() for column in columns}
    return type(name, (serializers.Serializer,), fields)
