"""Admin page of the models that participants submit."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
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
FIGURES = (
    *("rounds", "answered", "setup_s", "p50_ms", "p99_ms", "limit_ms", "peak_mb"),
    *("is_deterministic", "sample"),
)
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
    fields = [
        *("competition", "cruncher", "model_id", "version", "message"),
        *("labelled_status", "code", "reason", "problems", "figures", "log"),
        *("attempts", "created_at", "checked_at", "live_at"),
    ]

    @display(description="Status", ordering="status", label=LABELS)
    def labelled_status(self, version: SubmittedVersion) -> str:
        return version.status

    @display(description="Problems in its check")
    def problems(self, version: SubmittedVersion) -> str:
        found = (version.result or {}).get("problems", [])
        return _block(f"{each['count']} x {each['text']}" for each in found)

    @display(description="Figures of its check")
    def figures(self, version: SubmittedVersion) -> str:
        result = version.result or {}
        return _block(f"{name}: {result[name]}" for name in FIGURES if name in result)

    @display(description="End of what it printed in its check")
    def log(self, version: SubmittedVersion) -> str:
        return _block((version.result or {}).get("log", "").splitlines())

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, SEE)


def _block(lines: Iterable[str]) -> str:
    """Return lines as they are, in a box that scrolls; `-` for none."""
    text = "\n".join(lines)
    return format_html('<pre class="op-log">{}</pre>', text) if text else "-"
