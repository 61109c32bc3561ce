"""Admin lists of the log: its entries and signed heads, for reading alone."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from core.acts import SEE_ALL, may
from core.admin.lists import BoundedAdmin, ReadOnlyMixin
from proofs.models import LogCheckpoint, LogLeaf


class LogAdmin(ReadOnlyMixin, BoundedAdmin):
    """A list of the log's rows, for whoever may see competitions."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request.user, SEE_ALL)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, SEE_ALL)


@admin.register(LogLeaf)
class LogLeafAdmin(LogAdmin):
    """Entries, the newest first; one without an index waits for the next head.

    Seeds and inner trees are never shown: they would open answers.
    """

    list_display = ["__str__", "index", "kind", "at"]
    list_filter = ["kind"]
    search_fields = ["key"]
    search_help_text = "By the key of a fact: the id of a round, a competition's id."
    fields = ["index", "kind", "key", "at", "entry_text"]

    @admin.display(description="Entry")
    def entry_text(self, leaf: LogLeaf) -> str:
        return leaf.text


@admin.register(LogCheckpoint)
class LogCheckpointAdmin(LogAdmin):
    """Signed heads, the newest first, with how many witnesses have cosigned each."""

    list_display = ["size", "signed_at", "cosigned"]
    fields = ["size", "signed_at", "note", "cosigned"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("cosignatures__witness")

    @admin.display(description="Cosigned by")
    def cosigned(self, head: LogCheckpoint) -> str:
        owners = {each.witness.owner for each in head.cosignatures.all()}
        return ", ".join(sorted(owners)) or "nobody"
