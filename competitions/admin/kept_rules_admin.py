"""Admin page of the rules that competitions had, each time that they changed."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from competitions.admin.drafts import LedgerAdmin
from competitions.models import KeptRules
from core.acts import SEE_ALL, may


@admin.register(KeptRules)
class KeptRulesAdmin(LedgerAdmin):
    """Rules, the newest of each competition first: from when on, by whom, and why."""

    list_display = ["__str__", "competition", "begins_at", "author", "reason"]
    list_filter = ["competition"]
    list_select_related = ["competition"]
    ordering = ["competition", "-number"]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request.user, SEE_ALL)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, SEE_ALL)
