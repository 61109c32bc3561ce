"""Admin lists of bounded cost, and the reason that every act asks for."""

from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.widgets import UnfoldAdminTextInputWidget

from core.admin.strict import EdgeAdmin

MOST_COUNTED = 10_000


class ReasonForm(forms.Form):
    """Ask an operator for the reason of an act."""

    reason = forms.CharField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        help_text="Kept in the trail, for whoever reads it next.",
    )


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # in the stubs
    """Count at most MOST_COUNTED rows, so that lists of large tables stay fast."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list[:MOST_COUNTED]
        return rows.count() if isinstance(rows, QuerySet) else len(rows)


class BoundedAdmin(EdgeAdmin):
    """A list of bounded cost: never fully counted, and sorted to a total order."""

    show_full_result_count = False
    paginator: "type[Paginator[Any]]" = BoundedPaginator
    list_per_page = 50
    list_fullwidth = True
    warn_unsaved_form = True


class ReadOnlyMixin:
    """Let users view rows that the engine writes, but not change them."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
