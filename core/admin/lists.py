"""What the admin pages of all apps share."""

from typing import Any

from django import forms
from django.contrib.admin import FieldListFilter, RelatedFieldListFilter
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.widgets import UnfoldAdminTextInputWidget

from competitions.models import Competition
from core.acts import SEE_ALL, may
from core.admin.strict import EdgeAdmin

MOST_COUNTED = 10_000


class ReasonForm(forms.Form):
    """Why an operator does something."""

    reason = forms.CharField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        help_text="Kept in the trail, for whoever reads it next.",
    )


class BoundedPaginator(Paginator):
    """Counts no further than the pages that anybody turns; big tables stay quick."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list[:MOST_COUNTED]
        return rows.count() if isinstance(rows, QuerySet) else len(rows)


class SiteAdmin(EdgeAdmin):
    """A list of bounded cost: never fully counted, and sorted to a total order.

    Rows of drafts are there for who may know of drafts.
    """

    # How a row leads to its competition, as a lookup; empty when it has none.
    of_competition: str = "competition"
    show_full_result_count = False
    paginator: type[Paginator] = BoundedPaginator
    list_per_page = 50
    list_fullwidth = True
    warn_unsaved_form = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if not self.of_competition or may(request.user, SEE_ALL):
            return rows
        seen = Competition.objects.seen_by(request.user)
        return rows.filter(**{f"{self.of_competition}__in": seen})

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.related_model is Competition:
            kwargs.setdefault("queryset", Competition.objects.seen_by(request.user))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class CompetitionFilter(RelatedFieldListFilter):
    """A list's filter by competition, with those that the user may know of."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        seen = Competition.objects.seen_by(request.user)
        return field.get_choices(
            include_blank=False,
            ordering=self.field_admin_ordering(field, request, model_admin),
            limit_choices_to={"pk__in": seen},
        )


FieldListFilter.register(
    lambda field: field.is_relation and field.related_model is Competition,
    CompetitionFilter,
    take_priority=True,
)


class LedgerAdmin(SiteAdmin):
    """Rows that the engine writes: they can be read, and nothing else."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
