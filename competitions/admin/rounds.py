"""Admin pages of participants and rounds."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from competitions.admin.drafts import LedgerAdmin, SiteAdmin
from competitions.admin.exclusions import ExclusionPages
from competitions.admin.local_models import LocalModelPages
from competitions.models import (
    Cruncher,
    ParticipantModel,
    Round,
    TournamentRound,
)

ROUND_LABELS = {
    "RECEIVED": "info",
    "RESOLVED": "success",
    "UNRESOLVABLE": "danger",
    "MISSED": "warning",
    "VOID": "warning",
}
TOURNAMENT_LABELS = {
    "OPEN": "info",
    "INFERRED": "info",
    "SCORED": "success",
    "VOID": "warning",
}
MODEL_LABELS = {"RUNNING": "success", "RECOVERING": "warning", "STOPPED": ""}
SHORT = 90


def shortened(text: str) -> str:
    first = text.strip().split("\n", maxsplit=1)[0]
    return (
        first if len(first) <= SHORT else f"{first[: SHORT - 1]}\N{HORIZONTAL ELLIPSIS}"
    )


@admin.register(Cruncher)
class CruncherAdmin(SiteAdmin):
    list_display = ["name", "competition", "cruncher_id", "cruncher_index", "wallet"]
    list_filter = ["competition"]
    list_select_related = ["competition"]
    search_fields = ["name", "cruncher_id", "wallet"]
    readonly_fields = ["cruncher_index", "created_at"]
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # the orchestrator announces them

    def has_delete_permission(
        self, request: HttpRequest, obj: Cruncher | None = None
    ) -> bool:
        return False


@admin.register(ParticipantModel)
class ParticipantModelAdmin(LocalModelPages, ExclusionPages):
    list_display = [
        "name",
        "model_id",
        "cruncher",
        "competition",
        "labelled_state",
        "excluded_at",
        "last_seen_at",
        "error",
        "last_error_at",
        "first_error_at",
    ]
    list_filter = [
        *("competition", "state", "is_virtual"),
        ("excluded_at", admin.EmptyFieldListFilter),
    ]
    list_select_related = ["competition", "cruncher"]
    search_fields = ["name", "model_id", "deployment_id", "cruncher__name"]
    ordering = ["competition", "model_id", "pk"]

    @display(description="State", ordering="state", label=MODEL_LABELS)
    def labelled_state(self, model: ParticipantModel) -> str:
        return model.state

    @display(description="Last error")
    def error(self, model: ParticipantModel) -> str:
        return shortened(model.last_error) or "-"


@admin.register(Round)
class RoundAdmin(LedgerAdmin):
    list_display = [
        "slot_at",
        "scope_key",
        "competition",
        "labelled_status",
        "stage",
        "performed_at",
        "resolvable_at",
        "resolved_at",
    ]
    list_filter = ["competition", "status"]
    list_select_related = ["competition"]
    search_fields = ["=scope_key"]
    ordering = ["-slot_at", "-pk"]
    # Megabytes; the API and a shell can show them.
    exclude = ["raw_data", "model_input"]

    def get_queryset(self, request: HttpRequest):  # type: ignore[no-untyped-def]
        return super().get_queryset(request).defer("raw_data", "model_input", "timing")

    @display(description="Status", ordering="status", label=ROUND_LABELS)
    def labelled_status(self, round_: Round) -> str:
        return round_.status

    @display(description="Stage, or why it ended")
    def stage(self, round_: Round) -> str:
        if round_.status != Round.Status.RECEIVED:
            return shortened(round_.reason) or "-"
        if round_.performed_at is None:
            return f"models to be asked since {round_.received_at:%d %b %H:%M:%S}"
        if round_.resolvable_at is None:
            return "truth to be posted"
        return f"truth expected at {round_.resolvable_at:%d %b %H:%M:%S}"


@admin.register(TournamentRound)
class TournamentRoundAdmin(LedgerAdmin):
    list_display = [
        "round_id",
        "competition",
        "labelled_status",
        "progress",
        "shown_reason",
        "created_at",
        "inferred_at",
        "truth_at",
        "scored_at",
    ]
    list_filter = ["competition", "status"]
    list_select_related = ["competition"]
    search_fields = ["round_id"]
    ordering = ["-created_at", "-pk"]

    @display(description="Status", ordering="status", label=TOURNAMENT_LABELS)
    def labelled_status(self, round_: TournamentRound) -> str:
        return round_.status

    @display(description="Samples asked")
    def progress(self, round_: TournamentRound) -> str:
        return f"{round_.asked} of {round_.samples}"

    @display(description="What it waits for, or why it ended")
    def shown_reason(self, round_: TournamentRound) -> str:
        if round_.reason or round_.status != TournamentRound.Status.INFERRED:
            return shortened(round_.reason) or "-"
        return "scores" if round_.truth_at else "its truths"
