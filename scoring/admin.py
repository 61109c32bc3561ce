"""Admin pages of predictions, scores, snapshots and boards; all read-only."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from competitions.admin.drafts import LedgerAdmin
from competitions.admin.rounds import SHORT, shortened
from competitions.models import Prediction
from core.texts import readable
from scoring.models import (
    Leaderboard,
    LeaderboardEntry,
    Rescoring,
    Score,
    Snapshot,
    VoidWindow,
)
from scoring.scores.statuses import with_status

# Characters of an answer's JSON on its own page.
LONGEST_ANSWER = 20_000
STATUS_LABELS = {
    "SCORED": "success",
    "PENDING": "info",
    "FAILED": "danger",
    "ABSENT": "warning",
}
SNAPSHOT_LABELS = {"closed": "success", "open": "info", "superseded": "warning"}


class ReadOnlyInline(TabularInline):  # type: ignore[misc]  # Unfold has no types
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ScoreInline(ReadOnlyInline):
    model = Score
    fields = ["scoring_version", "value", "success", "failed_reason", "scored_at"]


@admin.register(Prediction)
class PredictionAdmin(LedgerAdmin):
    of_competition = "round__competition"
    list_display = [
        "performed_at",
        "model",
        "scope",
        "labelled_status",
        "why",
        "answer",
        "exec_time_us",
    ]
    list_filter = ["outcome", "round__competition"]
    exclude = ["output"]
    readonly_fields = ["whole_answer"]
    list_select_related = ["model", "round"]
    search_fields = ["=model__model_id", "model__name"]
    ordering = ["-performed_at", "-pk"]
    inlines = [ScoreInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Prediction]:
        rows: Any = super().get_queryset(request)
        return with_status(rows.with_shown_output(limit=SHORT)).defer(
            "round__raw_data", "round__model_input", "round__timing", "meta"
        )

    @display(description="Scope")
    def scope(self, prediction: Prediction) -> str:
        return prediction.round.scope_key

    @display(description="Status", label=STATUS_LABELS)
    def labelled_status(self, prediction: Any) -> str:
        return str(prediction.status)

    @display(description="Answer")
    def answer(self, prediction: Any) -> str:
        return readable(prediction.shown_output, limit=SHORT)

    @display(description="Answer")
    def whole_answer(self, prediction: Prediction) -> str:
        rows = Prediction.objects.filter(pk=prediction.pk)
        shown: Any = rows.with_shown_output(limit=LONGEST_ANSWER).get()
        return readable(shown.shown_output, limit=LONGEST_ANSWER)

    @display(description="Why")
    def why(self, prediction: Any) -> str:
        return shortened(prediction.reason or prediction.round.reason) or "-"


@admin.register(Score)
class ScoreAdmin(LedgerAdmin):
    of_competition = "prediction__round__competition"
    list_display = [
        "scored_at",
        "model",
        "value",
        "labelled_success",
        "why",
        "scoring_version",
    ]
    list_filter = ["success"]
    list_select_related = ["model"]
    search_fields = ["=model__model_id"]
    raw_id_fields = ["prediction", "model"]
    ordering = ["-scored_at", "-pk"]

    @display(description="Outcome", label={"scored": "success", "failed": "danger"})
    def labelled_success(self, score: Score) -> str:
        return "scored" if score.success else "failed"

    @display(description="Why")
    def why(self, score: Score) -> str:
        return shortened(score.failed_reason) or "-"


@admin.register(Snapshot)
class SnapshotAdmin(LedgerAdmin):
    of_competition = "model__competition"
    list_display = [
        "period_start",
        "period_end",
        "model",
        "value",
        "prediction_count",
        "expected_count",
        "revision",
        "state",
    ]
    list_filter = [
        "model__competition",
        "is_closed",
        ("superseded_at", admin.EmptyFieldListFilter),
    ]
    list_select_related = ["model"]
    search_fields = ["=model__model_id"]
    ordering = ["-period_end", "-pk"]

    @display(description="State", label=SNAPSHOT_LABELS)
    def state(self, snapshot: Snapshot) -> str:
        """Return the snapshot's state; a superseded revision does not count."""
        if snapshot.superseded_at is not None:
            return "superseded"
        return "closed" if snapshot.is_closed else "open"


@admin.register(Rescoring)
class RescoringAdmin(LedgerAdmin):
    list_display = [
        "created_at",
        "competition",
        "scoring_version",
        "period_start",
        "period_end",
        "reason",
        "author",
    ]
    list_filter = ["competition"]
    list_select_related = ["competition"]
    search_fields = ["reason", "author"]
    ordering = ["-created_at", "-pk"]


@admin.register(VoidWindow)
class VoidWindowAdmin(LedgerAdmin):
    list_display = [
        "start_at",
        "end_at",
        "competition",
        "scope",
        "reason",
        "author",
        "created_at",
    ]
    list_filter = ["competition"]
    list_select_related = ["competition"]
    search_fields = ["reason", "author", "=scope_key"]
    ordering = ["-start_at", "-pk"]

    @display(description="Scope")
    def scope(self, window: VoidWindow) -> str:
        return window.scope_key or "every scope"


class EntryInline(ReadOnlyInline):
    model = LeaderboardEntry
    fields = ["rank", "model", "ranking_value", "prediction_count"]
    ordering = ["position", "pk"]
    per_page = 50
    show_change_link = False


@admin.register(Leaderboard)
class LeaderboardAdmin(LedgerAdmin):
    list_display = ["as_of", "competition", "is_newest", "ranking_key", "created_at"]
    list_filter = ["competition", "is_newest"]
    list_select_related = ["competition"]
    ordering = ["-as_of", "-pk"]
    inlines = [EntryInline]


@admin.register(LeaderboardEntry)
class LeaderboardEntryAdmin(LedgerAdmin):
    of_competition = "leaderboard__competition"
    list_display = ["rank", "model", "ranking_value", "prediction_count", "leaderboard"]
    list_filter = ["leaderboard__is_newest", "leaderboard__competition"]
    list_select_related = ["model", "leaderboard"]
    search_fields = ["=model__model_id", "model__name"]
    ordering = ["-leaderboard", "position", "pk"]
