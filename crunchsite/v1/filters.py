"""Filters of lists: django-filter's sets, whose values are read as all others are.

`since` and `until` are the half-open range `[since, until)` of the instant that the
list is ordered by; `as_of` shows what a reader had seen before that instant.
"""

from typing import Any

from django import forms
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError


class _Parameter(forms.Widget):
    """A parameter's text; all its texts, where it can be repeated."""

    def __init__(self, *, is_list: bool) -> None:
        super().__init__()
        self.is_list = is_list

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return data.getlist(name) or None if self.is_list else data.get(name)


class _CheckedField(forms.Field):
    """A form's field that reads as a field of REST framework, with its refusals."""

    def __init__(self, *, reads: Any, **options: Any) -> None:
        is_list = isinstance(reads, serializers.ListField)
        super().__init__(widget=_Parameter(is_list=is_list), **options)
        self.reads = reads

    def clean(self, value: Any) -> Any:
        if value in (None, ""):  # an empty parameter is none, as in all queries
            return None
        try:
            return self.reads.run_validation(value)
        except ValidationError as refused:
            told: Any = refused.detail
            while not isinstance(told, str):
                told = next(iter(told.values() if isinstance(told, dict) else told))
            code = getattr(told, "code", "invalid")
            raise forms.ValidationError(str(told).replace("%", "%%"), code) from None


class CheckedFilter(filters.Filter):
    field_class = _CheckedField


class Filters(filters.FilterSet):
    """The filters of a list, each made by `reads`."""


def reads(
    field: serializers.Field[Any, Any, Any, Any],
    path: str | None = None,
    lookup: str = "exact",
    *,
    method: str | None = None,
) -> Any:
    """Return the filter of a parameter that `field` reads and describes."""
    made = CheckedFilter(
        field_name=path, lookup_expr=lookup, method=method, reads=field
    )
    return extend_schema_field(field)(made)
