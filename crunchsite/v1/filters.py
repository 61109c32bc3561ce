"""Filters of lists: django-filter's sets, whose values are read as all others are.

`since` and `until` are the half-open range `[since, until)` of the instant that the
list is ordered by; `as_of` shows what a reader had seen before that instant.
"""

from typing import Any

from django.core.validators import EMPTY_VALUES
from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request


class CheckedFilter(filters.Filter):
    """A parameter that a field of REST framework reads, with its refusals."""

    def __init__(self, *, reads: Any, **options: Any) -> None:
        super().__init__(**options)
        self.reads = reads
        self.is_list = isinstance(reads, serializers.ListField)

    def value_in(self, params: Any, name: str) -> Any:
        """Return the checked value, all values of a list; None without any.

        Raises ValidationError. An empty parameter is none, as in all queries.
        """
        given = params.getlist(name) if self.is_list else params.get(name)
        if given in EMPTY_VALUES:
            return None
        try:
            return self.reads.run_validation(given)
        except ValidationError as refused:
            raise ValidationError({name: _first(refused.detail)}) from None


def _first(told: Any) -> ErrorDetail:
    while not isinstance(told, ErrorDetail):
        told = next(iter(told.values() if isinstance(told, dict) else told))
    return told


class Filters(filters.FilterSet):
    """The filters of a list, each made by `reads`."""


class FilterBackend(filters.DjangoFilterBackend):
    """Filter by what is asked for.

    A form for each request, as a filter set makes it, would take longer than the page.
    """

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: Any
    ) -> QuerySet[Any]:
        filter_set = self.get_filterset_class(view, queryset)
        for name, each in getattr(filter_set, "base_filters", {}).items():
            value = each.value_in(request.query_params, name)
            queryset = each.filter(queryset, value)
        return queryset


def reads(
    field: serializers.Field[Any, Any, Any, Any],
    path: str | None = None,
    lookup: str = "exact",
    *,
    by: type[CheckedFilter] = CheckedFilter,
) -> Any:
    """Return the filter of a parameter that `field` reads and describes."""
    made = by(field_name=path, lookup_expr=lookup, reads=field)
    return extend_schema_field(field)(made)
