"""Admin page of checkpoints: a ledger of what was paid."""

import json

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from competitions.admin_base import LedgerAdmin
from emissions.models import Checkpoint

STATUS_LABELS = {
    "PENDING": "warning",
    "SUBMITTED": "info",
    "CLAIMABLE": "info",
    "PAID": "success",
}


@admin.register(Checkpoint)
class CheckpointAdmin(LedgerAdmin):
    list_display = [
        "__str__",
        "competition",
        "period_start",
        "period_end",
        "labelled_status",
        "waiting_for",
        "models",
        "tx_hash",
    ]
    list_filter = ["competition", "status"]
    list_select_related = ["competition"]
    search_fields = ["=tx_hash", "competition__slug"]
    ordering = ["-period_end", "-pk"]
    fields = [
        "competition",
        "period_start",
        "period_end",
        "status",
        "waiting_for",
        "tx_hash",
        "submitted_at",
        "merkle_root",
        "created_at",
        "emission",
        "ranking",
    ]

    @display(description="Status", ordering="status", label=STATUS_LABELS)
    def labelled_status(self, checkpoint: Checkpoint) -> str:
        return checkpoint.status

    @display(description="Waits for")
    def waiting_for(self, checkpoint: Checkpoint) -> str:
        since = checkpoint.submitted_at or checkpoint.created_at
        stages = {
            "PENDING": "a transaction",
            "SUBMITTED": "the chain",
            "CLAIMABLE": "the claims",
        }
        if checkpoint.status not in stages:
            return "-"
        return f"{stages[checkpoint.status]}, since {since:%d %b %H:%M}"

    @display(description="Models")
    def models(self, checkpoint: Checkpoint) -> int:
        return len(checkpoint.meta.get("ranking", []))

    @display(description="Emission")
    def emission(self, checkpoint: Checkpoint) -> SafeString:
        return _pretty(checkpoint.entries)

    @display(description="Ranking")
    def ranking(self, checkpoint: Checkpoint) -> SafeString:
        return _pretty(checkpoint.meta)


def _pretty(value: object) -> SafeString:
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2))
