"""Admin pages of competitions with their actions, which use all apps."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from competitions import column_shapes
from competitions.admin.drafts import SiteAdmin
from competitions.lifecycle import begin_emissions, settle
from competitions.models import Competition, ScheduledPrediction
from core.admin.strict import JsonShapes
from crunchsite import accounts  # noqa: F401  importing registers its pages
from crunchsite.operator.act_pages import CompetitionActs
from crunchsite.operator.buttons import buttons_for
from crunchsite.operator.competition_forms import AddCompetitionForm, CompetitionForm
from crunchsite.operator.editing import WIRING, rewired, tell_edited

STATUS_LABELS = {
    "DRAFT": "",
    "ACTIVE": "success",
    "PAUSED": "warning",
    "ENDED": "info",
}


ADD_FIELDSETS = [
    (None, {"fields": ["slug", "name", "pack", "config_path"]}),
    (
        "Market data",
        {"fields": ["feed_source", "subjects", "feed_kind", "feed_granularity"]},
    ),
]


class ScheduleInline(JsonShapes, TabularInline):
    model = ScheduledPrediction
    json_shapes = {"scope_template": column_shapes.ScopeShape}
    extra = 0
    can_delete = False
    fields = [
        "scope_key",
        "scope_template",
        "prediction_interval_s",
        "resolve_horizon_s",
        "active",
        "order",
        "next_slot_at",
    ]
    readonly_fields = ["next_slot_at"]


@admin.register(Competition)
class CompetitionAdmin(CompetitionActs):
    list_display = [
        "slug",
        "name",
        "labelled_status",
        "activated_at",
        "pack",
        "feed",
        "next_score_at",
        "buttons",
    ]
    list_filter = ["status", "pack"]
    search_fields = ["slug", "name"]
    ordering = ["slug"]
    readonly_fields = [
        *("status", "activated_at", "ending_at", "next_score_at", "created_at", "pack")
    ]
    inlines = [ScheduleInline]
    form = CompetitionForm
    json_shapes = {"slots": column_shapes.Slots}
    actions = None
    of_competition = "pk"
    fieldsets = [
        (
            None,
            {
                "fields": [
                    *("slug", "name", "status"),
                    *("activated_at", "ending_at", "created_at"),
                ]
            },
        ),
        ("Wiring", {"fields": ["pack", "config_path", "slots"]}),
        ("Market data", {"fields": ["feed_source", "feed_kind", "feed_granularity"]}),
        (
            "Cadence, in seconds",
            {
                "fields": [
                    "checkpoint_interval_s",
                    "interval_rationale",
                    "score_interval_s",
                    "next_score_at",
                    "snapshot_period_s",
                    "emission_interval_s",
                ]
            },
        ),
        (
            "Chain",
            {
                "fields": [
                    "crunch_pubkey",
                    "network",
                    "compute_provider",
                    "data_provider",
                ]
            },
        ),
    ]

    def get_form(  # type: ignore[no-untyped-def]
        self, request: HttpRequest, obj: Competition | None = None, change=False, **of
    ):
        if obj is None:
            of["form"] = AddCompetitionForm
        return super().get_form(request, obj, change, **of)

    def get_fieldsets(self, request: HttpRequest, obj: Competition | None = None):  # type: ignore[no-untyped-def]
        return self.fieldsets if obj else ADD_FIELDSETS

    def get_readonly_fields(  # type: ignore[no-untyped-def]
        self, request: HttpRequest, obj: Competition | None = None
    ):
        """Return the fixed fields: the slug once it runs, the pack once it is read.

        What names code that the site will run is for superusers alone.
        """
        wiring = () if request.user.is_superuser else WIRING
        if obj is None:
            return tuple(name for name in wiring if name == "config_path")
        has_begun = obj.activated_at is not None
        return (*self.readonly_fields, *wiring, *(["slug"] if has_begun else []))

    def get_inlines(self, request: HttpRequest, obj: Competition | None):  # type: ignore[no-untyped-def]
        return self.inlines if obj else []

    def save_model(  # type: ignore[no-untyped-def]
        self, request: HttpRequest, obj: Competition, form: Any, change
    ) -> None:
        if not change:  # the form has created it
            messages.info(request, f"{obj} is a draft; press Activate to let it run.")
            return
        before = Competition.objects.get(pk=obj.pk)
        changed = [
            name for name in WIRING if getattr(before, name) != getattr(obj, name)
        ]
        if not before.crunch_pubkey and begin_emissions(obj):
            messages.info(
                request,
                f"With its key {obj} pays every {obj.emission_interval_s} s, from the "
                "period in which it was activated on.",
            )
        super().save_model(request, obj, form, change)
        if changed and (
            version := rewired(obj, changed, author=request.user.get_username())
        ):
            messages.warning(
                request,
                f"What is scored from now on is of scoring version {version}, beside "
                "scores of the wiring before; Score again brings those in line.",
            )

    def save_related(  # type: ignore[no-untyped-def]
        self, request: HttpRequest, form: Any, formsets: Any, change
    ) -> None:
        super().save_related(request, form, formsets, change)
        settle(competition_id=form.instance.pk)
        schedules = [
            schedule.scope_key
            for formset in formsets
            for schedule in (
                *(row for row, _ in formset.changed_objects),
                *formset.new_objects,
            )
        ]
        if change and (form.changed_data or schedules):
            tell_edited(
                form.instance,
                fields=form.changed_data,
                schedules=schedules,
                author=request.user.get_username(),
            )

    def has_delete_permission(
        self, request: HttpRequest, obj: Competition | None = None
    ) -> bool:
        return False  # its rounds, scores and payouts must remain

    @display(description="Status", ordering="status", label=STATUS_LABELS)
    def labelled_status(self, competition: Competition) -> str:
        return competition.status

    @display(description="Feed")
    def feed(self, competition: Competition) -> str:
        return f"{competition.feed_source} {competition.feed_granularity}"

    @display(description="Press")
    def buttons(self, competition: Any) -> SafeString:
        press: SafeString = competition.press
        return press

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Add the buttons for the present user to each row."""
        changelist: ChangeList = super().get_changelist_instance(request)
        for competition in changelist.result_list:
            names = (
                ["pause", "predict-now", "score-now"]
                if competition.status == Competition.Status.ACTIVE
                else ["activate", "score-now"]
            )
            competition.press = buttons_for(request.user, competition.pk, names)
        return changelist


@admin.register(ScheduledPrediction)
class ScheduledPredictionAdmin(SiteAdmin):
    """List the questions of all competitions; an edit is one of the rules."""

    json_shapes = {
        "scope_template": column_shapes.ScopeShape,
        "meta": column_shapes.Meta,
    }
    list_display = [
        *("scope_key", "competition", "prediction_interval_s", "resolve_horizon_s"),
        *("active", "next_slot_at"),
    ]
    list_filter = ["competition", "active"]
    list_select_related = ["competition"]
    search_fields = ["scope_key", "competition__slug"]
    readonly_fields = ["starts_at", "next_slot_at"]
    ordering = ["competition", "order", "pk"]

    def get_readonly_fields(  # type: ignore[no-untyped-def]
        self, request: HttpRequest, obj: ScheduledPrediction | None = None
    ):
        """Keep a schedule, and so its rounds, in its competition."""
        return (*self.readonly_fields, *(["competition"] if obj else []))

    def save_model(
        self, request: HttpRequest, obj: ScheduledPrediction, form: Any, change: bool
    ) -> None:
        Competition.objects.held().get(pk=obj.competition_id)  # before its schedules
        super().save_model(request, obj, form, change)
        settle(competition_id=obj.competition_id)
        if form.changed_data:
            tell_edited(
                obj.competition,
                fields=[],
                schedules=[obj.scope_key],
                author=request.user.get_username(),
            )

    def has_delete_permission(
        self, request: HttpRequest, obj: ScheduledPrediction | None = None
    ) -> bool:
        return False  # its rounds would be deleted with it; make it inactive instead
