"""Admin pages of checkpoints, their disputes, and the ledger of payouts."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from competitions.admin.drafts import LedgerAdmin
from core.admin.action_page import ActionPage
from core.admin.lists import ReasonForm
from core.admin.strict import has_act
from emissions.models import (
    LONGEST_TX_HASH,
    Checkpoint,
    Dispute,
    PayoutEntry,
    is_tx_hash,
)
from emissions.transitions import correct_transaction

STATUS_LABELS = {
    "PENDING": "warning",
    "SUBMITTED": "info",
    "CLAIMABLE": "info",
    "PAID": "success",
}


class TransactionForm(ReasonForm):
    """Ask for a checkpoint's right transaction, and why the stored one is wrong."""

    tx_hash = forms.CharField(
        max_length=LONGEST_TX_HASH,
        label="Transaction",
        validators=[is_tx_hash],
        widget=UnfoldAdminTextInputWidget(),
        help_text="Its hash, as the chain gives it.",
    )
    field_order = ("tx_hash", "reason")


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
    actions_detail = ["correct_transaction"]
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

    has_settle_permission = has_act("settle")

    @action(description="Correct transaction", permissions=["settle"], icon="history")
    def correct_transaction(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:checkpoint-transaction", object_id)

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<path:object_id>/transaction",
                self.admin_site.admin_view(self.transaction_view),
                name="checkpoint-transaction",
            ),
            *super().get_urls(),
        ]

    def transaction_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the right transaction and a reason; store them when posted."""
        checkpoint = self.get_object(request, object_id)
        if checkpoint is None:
            raise Http404("There is no such checkpoint.")
        if not self.has_settle_permission(request):
            raise PermissionDenied
        back = reverse("admin:emissions_checkpoint_change", args=[checkpoint.pk])

        def run(given: dict[str, Any]) -> str:
            corrected = correct_transaction(
                checkpoint_id=checkpoint.pk, user=request.user, **given
            )
            return f"{corrected} has the transaction {corrected.tx_hash}."

        return ActionPage(
            heading="Correct transaction",
            subject=str(checkpoint),
            effect=_effect(checkpoint),
            form=TransactionForm(request.POST or None),
            back=back,
            done=back,
        ).respond(request, page=self, run=run)

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


@admin.register(Dispute)
class DisputeAdmin(LedgerAdmin):
    of_competition = "checkpoint__competition"
    list_display = ["__str__", "state", "reason", "answer", "created_at", "answered_at"]
    list_filter = ["state"]
    list_select_related = ["checkpoint"]
    fields = [
        *("checkpoint", "author", "reason", "state", "answer", "created_at"),
        "answered_at",
    ]


@admin.register(PayoutEntry)
class PayoutEntryAdmin(LedgerAdmin):
    of_competition = "checkpoint__competition"
    list_display = [
        *("checkpoint", "cruncher_index", "kind", "amount", "reason", "created_at"),
    ]
    list_filter = ["kind", "checkpoint__competition"]
    list_select_related = ["checkpoint"]
    fields = [
        *("checkpoint", "cruncher_index", "kind", "amount", "reason", "author"),
        "created_at",
    ]


def _effect(checkpoint: Checkpoint) -> list[str]:
    if not checkpoint.tx_hash:
        return ["Nothing: it was not submitted yet, so there is no transaction."]
    return [
        f"The transaction {checkpoint.tx_hash} is replaced; the trail keeps it.",
        f"The status stays {checkpoint.status}. Nothing is sent to the chain.",
    ]


def _pretty(value: object) -> SafeString:
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2))
