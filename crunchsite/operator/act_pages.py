"""Pages that ask an operator to confirm a competition's actions and corrections."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import action

from competitions.admin.drafts import SiteAdmin
from competitions.models import Competition
from core.acts import may
from core.admin.action_page import ActionPage
from core.admin.lists import ReasonForm
from core.admin.strict import has_act
from crunchsite.operator.actions import ACTIONS, CORRECTIONS, press
from crunchsite.operator.correcting import correction_page


class CompetitionActs(SiteAdmin):
    """Offer the acts that the user may perform on a competition, each on its page."""

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
        """Return the competition and the act, if the user may see and perform it."""
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
        """Describe the action's effect and ask for a reason; run it when posted."""
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
