"""Admin page of the models that participants submit."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from competitions.admin.drafts import LedgerAdmin
from competitions.models import SubmittedVersion
from core.acts import may

LABELS = {
    "QUEUED": "info",
    "CHECKING": "info",
    "LIVE": "success",
    "REPLACED": "",
    "REFUSED": "danger",
}
SEE = "competitions.operate_participantmodel"


@admin.register(SubmittedVersion)
class SubmittedVersionAdmin(LedgerAdmin):
    """What participants submitted, and what the site's check found; for operators."""

    list_display = [
        *("model_id", "version", "cruncher", "labelled_status", "code"),
        *("created_at", "checked_at", "live_at"),
    ]
    list_filter = ["competition", "status"]
    list_select_related = ["competition", "cruncher"]
    search_fields = ["model_id", "cruncher__name", "cruncher__cruncher_id"]
    ordering = ["-created_at", "-pk"]

    @display(description="Status", ordering="status", label=LABELS)
    def labelled_status(self, version: SubmittedVersion) -> str:
        return version.status

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, SEE)
