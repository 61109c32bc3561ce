"""Base classes of lists whose rows belong to a competition."""

from typing import Any

from django.contrib.admin import FieldListFilter, RelatedFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest

from competitions.models import Competition
from core.acts import SEE_ALL, may
from core.admin.lists import BoundedAdmin, ReadOnlyMixin


class SiteAdmin(BoundedAdmin):
    """List rows page by page; rows of drafts only for users who may see drafts."""

    # How a row leads to its competition, as a lookup; empty when it has none.
    of_competition: str = "competition"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
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
    """Filter a list by competition, among those that the user may see."""

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


class LedgerAdmin(ReadOnlyMixin, SiteAdmin):
    """List rows that only the engine writes; users cannot edit them."""
