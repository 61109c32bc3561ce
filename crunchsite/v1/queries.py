"""What every list of /api/v1/ is asked with, beside its own filters."""

from typing import Any

from rest_framework import serializers

from competitions.reporting import CompetitionQuery
from core.paging import LONGEST_CURSOR
from core.requests import IdListField


class FieldsQuery(serializers.Serializer[Any]):
    """Which columns; all of them without it."""

    fields = IdListField(required=False)  # type: ignore[assignment]  # DRF takes it off the class


class ListQuery(FieldsQuery):
    """A page of a list; `next` and the `Link` header lead to the following one."""

    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)
    cursor = serializers.CharField(
        required=False,
        max_length=LONGEST_CURSOR,
        help_text="Opaque; taken from `next` of the page before.",
    )


class CompetitionFieldsQuery(CompetitionQuery, FieldsQuery):
    """Of which competition; which columns."""


class CompetitionListQuery(CompetitionQuery, ListQuery):
    """A page of a list of one competition."""
