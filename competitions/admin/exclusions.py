"""The operator's pages that exclude a model from ranking and pay, and readmit it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextInputWidget

from competitions.admin.drafts import LedgerAdmin
from competitions.exclusion import exclude, readmit
from competitions.models import ParticipantModel
from core.admin.action_page import ActionPage
from core.admin.lists import ReasonForm
from core.admin.strict import has_act


class ExclusionForm(ReasonForm):
    """Ask for a reason that participants read too."""

    reason = forms.CharField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        help_text="Everybody reads it: on the board, the model's page and in the API.",
    )


@dataclass(frozen=True)
class ExclusionAct:
    """An act and its texts; `refusal` says why it is not possible, if it is not."""

    title: str
    effect: list[str]
    refusal: Callable[[ParticipantModel], str]
    run: Callable[..., ParticipantModel]
    past: str
    form: type[ReasonForm]


def _why_not_exclude(model: ParticipantModel) -> str:
    if model.is_virtual:
        return "An ensemble is never ranked or paid, so it cannot be excluded."
    if model.excluded_at is None:
        return ""
    return (
        f"It is excluded since {model.excluded_at:%d %b %H:%M} UTC: "
        f"{model.exclusion_reason}. To change the reason, readmit it first."
    )


def _why_not_readmit(model: ParticipantModel) -> str:
    return "" if model.excluded_at else "It is not excluded."


ACTS = {
    "exclude": ExclusionAct(
        "Exclude",
        [
            "It stands below the ranked models, without a rank; the others move up.",
            (
                "Checkpoints that are made while it is excluded do not pay it, also "
                "for periods that began before. Those that are made already stay."
            ),
            "Ensembles weigh it no more in the rounds that are scored from now on.",
            "It is asked and scored as before. Readmit takes this back.",
        ],
        _why_not_exclude,
        exclude,
        "is excluded; the board shows it with the next scoring.",
        ExclusionForm,
    ),
    "readmit": ExclusionAct(
        "Readmit",
        [
            "It is ranked again with all its scores, and ensembles weigh it again.",
            (
                "The next checkpoint pays it for its whole period. Those that were "
                "made meanwhile stay as they are."
            ),
        ],
        _why_not_readmit,
        readmit,
        "is readmitted; the board shows it with the next scoring.",
        ReasonForm,
    ),
}


class ExclusionPages(LedgerAdmin):
    """Offer to exclude a model or to readmit it, each on its page."""

    has_exclude_permission = has_act("exclude")
    actions_detail = ["exclude_model", "readmit_model"]

    @action(description="Exclude", permissions=["exclude"], icon="block")
    def exclude_model(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:model-exclude", object_id)

    @action(description="Readmit", permissions=["exclude"], icon="undo")
    def readmit_model(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect("admin:model-readmit", object_id)

    def get_urls(self) -> list[URLPattern]:
        return [
            *(
                path(
                    f"<path:object_id>/{name}/",
                    self.admin_site.admin_view(self.exclusion_view),
                    {"name": name},
                    name=f"model-{name}",
                )
                for name in ACTS
            ),
            *super().get_urls(),
        ]

    def exclusion_view(
        self, request: HttpRequest, object_id: str, name: str
    ) -> HttpResponse:
        """Describe the act's effect and ask for a reason; perform it when posted."""
        model = self.get_object(request, object_id)
        if model is None:
            raise Http404("There is no such model.")
        if not self.has_exclude_permission(request):
            raise PermissionDenied
        chosen = ACTS[name]
        back = reverse("admin:competitions_participantmodel_change", args=[model.pk])

        def run(given: dict[str, Any]) -> str:
            chosen.run(model=model.pk, user=request.user, **given)
            return f"{model} {chosen.past}"

        return ActionPage(
            heading=chosen.title,
            subject=str(model),
            effect=chosen.effect,
            form=chosen.form(request.POST or None),
            back=back,
            done=back,
            refusal=chosen.refusal(model),
        ).respond(request, page=self, run=run)
