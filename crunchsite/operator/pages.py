"""Admin pages of competitions with their actions, which need all apps."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action, display

from competitions import column_shapes
from competitions.admin.drafts import SiteAdmin
from competitions.lifecycle import begin_emissions, settle
from competitions.models import Competition, ScheduledPrediction
from core.acts import may
from core.admin.action_page import ActionPage
from core.admin.lists import ReasonForm
from core.admin.strict import JsonShapes, has_act
from core.facts import Fact, Kind, announce
from crunchsite import accounts  # noqa: F401  importing registers its pages
from crunchsite.operator.actions import ACTIONS, CORRECTIONS, press
from crunchsite.operator.competition_forms import (
    WIRING,
    AddCompetitionForm,
    CompetitionForm,
)
from crunchsite.operator.correcting import correction_page
from scoring.scores.store import begin_version

MOST_TOLD = 20  # of the schedules in the fact that rules have changed
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
    json_shapes = {"scope_template": column_shapes.Scope}
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
class CompetitionAdmin(SiteAdmin):
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
    has_activate_permission = has_act("activate")
    has_pause_permission = has_act("pause")
    has_end_permission = has_act("end")
    has_predict_permission = has_act("predict")
    has_score_permission = has_act("score")
    has_rescore_permission = has_act("rescore")
    has_void_permission = has_act("void")
    actions_detail = [
        *("activate", "pause", "end"),
        {"title": "Now", "icon": "bolt", "items": ["predict_now", "score_now"]},
        {
            "title": "Correct",
            "icon": "history",
            "items": ["score_again", "void_stretch"],
        },
    ]
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
        """The slug stays once it runs; the pack was read when it was created.

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
        if not change:  # the form has made it
            messages.info(request, f"{obj} is a draft; press Activate to let it run.")
            return
        before = Competition.objects.get(pk=obj.pk)
        rewired = [
            name for name in WIRING if getattr(before, name) != getattr(obj, name)
        ]
        if not before.crunch_pubkey and begin_emissions(obj):
            messages.info(
                request,
                f"With its key {obj} pays every {obj.emission_interval_s} s, from the "
                "period in which it was activated on.",
            )
        super().save_model(request, obj, form, change)
        if rewired:  # what failed of the wiring before says nothing of this one
            obj.callable_failures.all().delete()
        if rewired and (
            version := begin_version(
                competition=obj,
                reason=f"{' and '.join(rewired)} changed",
                author=request.user.get_username(),
            )
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
            payload = {
                "what": "edited",
                "fields": form.changed_data,
                "schedules": schedules[:MOST_TOLD],
            }
            announce(Fact(Kind.RULE_CHANGED, form.instance.pk, payload))

    def has_delete_permission(
        self, request: HttpRequest, obj: Competition | None = None
    ) -> bool:
        return False  # its rounds, scores and payouts are a record

    @display(description="Status", ordering="status", label=STATUS_LABELS)
    def labelled_status(self, competition: Competition) -> str:
        return competition.status

    @display(description="Feed")
    def feed(self, competition: Competition) -> str:
        return f"{competition.feed_source} {competition.feed_granularity}"

    @display(description="Press")
    def buttons(self, competition: Any) -> SafeString:
        return competition.press

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Lay the buttons of who looks beside each row."""
        changelist = super().get_changelist_instance(request)
        for competition in changelist.result_list:
            names = (
                ["pause", "predict-now", "score-now"]
                if competition.status == Competition.Status.ACTIVE
                else ["activate", "score-now"]
            )
            competition.press = buttons_for(request.user, competition.pk, names)
        return changelist

    @action(description="Activate", permissions=["activate"], icon="play_arrow")
    def activate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:competition-act", object_id, "activate")

    @action(description="Pause", permissions=["pause"], icon="pause")
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:competition-act", object_id, "pause")

    @action(description="End", permissions=["end"], icon="stop")
    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:competition-act", object_id, "end")

    @action(description="Predict now", permissions=["predict"], icon="bolt")
    def predict_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:competition-act", object_id, "predict-now")

    @action(description="Score now", permissions=["score"], icon="calculate")
    def score_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:competition-act", object_id, "score-now")

    @action(description="Score again", permissions=["rescore"], icon="history")
    def score_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:competition-correct", object_id, "rescore")

    @action(description="Void a stretch", permissions=["void"], icon="block")
    def void_stretch(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:competition-correct", object_id, "void")

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<path:object_id>/act/<str:name>",
                self.admin_site.admin_view(self.act_view),
                name="competition-act",
            ),
            path(
                "<path:object_id>/correct/<str:kind>",
                self.admin_site.admin_view(self.correct_view),
                name="competition-correct",
            ),
            *super().get_urls(),
        ]

    def chosen(
        self, request: HttpRequest, object_id: str, offered: Mapping[str, Any], key: str
    ) -> tuple[Competition, Any]:
        """The competition and what is to be done, if the user may see and do that."""
        competition = self.get_object(request, object_id)
        if competition is None:
            raise Http404("There is no such competition.")
        if key not in offered:
            raise Http404("There is no such action.")
        if not may(request.user, offered[key].permission):
            raise PermissionDenied
        return competition, offered[key]

    def correct_view(
        self, request: HttpRequest, object_id: str, kind: str
    ) -> HttpResponse:
        competition, _ = self.chosen(request, object_id, CORRECTIONS, kind)
        frame = {**self.admin_site.each_context(request), "opts": self.opts}
        return correction_page(request, competition, kind, frame)

    def act_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Say what the action will do and ask why; done only when it is posted."""
        competition, chosen = self.chosen(request, object_id, ACTIONS, name)
        return ActionPage(
            heading=chosen.title,
            subject=str(competition),
            effect=chosen.effect(competition),
            form=ReasonForm(request.POST or None),
            back=reverse("admin:competitions_competition_change", args=[object_id]),
            done="admin:competitions_competition_changelist",
        ).respond(
            request,
            page=self,
            run=lambda given: press(
                action=chosen, competition=competition, user=request.user, **given
            ),
        )


def buttons_for(user: Any, competition_id: int, names: list[str]) -> SafeString:
    """Links to the pages of the actions that the user may do, as small buttons."""
    parts = SafeString("")
    for name in names:
        if not may(user, ACTIONS[name].permission):
            continue
        url = reverse("admin:competition-act", args=[competition_id, name])
        parts += format_html(
            '<a class="press" href="{}">{}</a> ', url, ACTIONS[name].title
        )
    return parts
