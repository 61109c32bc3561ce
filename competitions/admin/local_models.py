"""The operator's pages of local models: their states, logs and actions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextInputWidget

from competitions.admin.local_actions import (
    ACTIONS,
    LARGEST_UPLOAD_BYTES,
    OFFERED,
    add_model,
    logs_folder,
    perform,
    status_of_model,
)
from competitions.local_models import control
from competitions.local_models.control import ModelStatus
from competitions.models import ParticipantModel
from core import clock
from core.acts import may
from core.admin.action_page import ActionPage
from core.admin.lists import ReasonForm

TONES = {
    "STARTING": "info",
    "RUNNING": "success",
    "RECOVERING": "warning",
    "STOPPED": "",
    "QUARANTINED": "danger",
}
# The orchestrator updates its heartbeat several times a second.
SILENCE_S = 10
LOG_LINES = 200


class UploadForm(ReasonForm):
    """Ask for a model's code and the reason for adding it."""

    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget,
        help_text="A main.py, or a zip of the model's folder; 50 MiB at most.",
    )
    name = forms.CharField(
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text="Letters, digits, dots, dashes and underscores. Empty: the file's.",
    )
    field_order = ["file", "name", "reason"]

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > LARGEST_UPLOAD_BYTES:
            raise forms.ValidationError(
                f"The file was {file.size / 2**20:.0f} MiB; at most "
                f"{LARGEST_UPLOAD_BYTES // 2**20} MiB are taken."
            )
        return file


class LocalModelPages:
    """Add the pages of local models to the admin of participants' models."""

    admin_site: Any
    opts: Any

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("local/", view(self.local_list), name="local-models"),
            path("local/add/", view(self.local_add), name="local-model-add"),
            path("local/<str:model_id>/", view(self.local_one), name="local-model"),
            path(
                "local/<str:model_id>/act/<str:name>",
                view(self.local_act),
                name="local-model-act",
            ),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def local_list(self, request: HttpRequest) -> HttpResponse:
        """List all local models, those that need attention first."""
        _require(request, "view")
        order = ["QUARANTINED", "RECOVERING", "STARTING", "STOPPED", "RUNNING"]
        rows = sorted(
            control.status(settings.MODELS_LOG_DIR),
            key=lambda row: (order.index(row.state), row.model_id),
        )
        return self._page(
            request,
            "local_models.html",
            "Local models",
            lines=_lines(rows),
            competition=settings.ENV.local_models_competition,
            folder=settings.LOCAL_MODELS_DIR,
            **_orchestrator(),
        )

    def local_one(self, request: HttpRequest, model_id: str) -> HttpResponse:
        """Show one model with the end of its log."""
        _require(request, "view")
        row = _status_of(model_id)
        log = control.log_tail(**logs_folder(), model_id=model_id, lines=LOG_LINES)
        return self._page(
            request,
            "local_model.html",
            model_id,
            line=_lines([row])[0],
            log=log,
            folder=settings.LOCAL_MODELS_DIR / model_id,
            **_orchestrator(),
        )

    def local_act(self, request: HttpRequest, model_id: str, name: str) -> HttpResponse:
        """Show an action's effect and ask for a reason; a POST performs it."""
        if name not in ACTIONS:
            raise Http404("There is no such action.")
        chosen = ACTIONS[name]
        _require(request, chosen.permission)
        row = _status_of(model_id)

        def run(given: dict[str, Any]) -> str:
            return perform(name=name, model=row, user=request.user, **given)

        return ActionPage(
            heading=chosen.title,
            subject=model_id,
            effect=chosen.effect(row),
            form=ReasonForm(request.POST or None),
            back=reverse("admin:local-model", args=[model_id]),
            done="admin:local-models",
        ).respond(request, page=self, run=run)

    def local_add(self, request: HttpRequest) -> HttpResponse:
        """Add a model from an uploaded file."""
        _require(request, "add")

        def run(given: dict[str, Any]) -> str:
            added = add_model(user=request.user, **given)
            return f"{added} was added; the list shows it within a second."

        seen = _orchestrator()
        within = f", in the sandbox: {seen['sandbox']}" if seen["sandbox"] else ""
        return ActionPage(
            heading="Add a local model",
            subject="",
            effect=[
                "The code is put among the local models and started within a second.",
                f"It runs on this machine{within}. Add only models that you trust.",
            ],
            form=UploadForm(request.POST or None, request.FILES or None),
            back=reverse("admin:local-models"),
            done="admin:local-models",
            template="operator/local_model_add.html",
            more=seen,
        ).respond(request, page=self, run=run)

    def _page(
        self, request: HttpRequest, template: str, title: str, **context: Any
    ) -> TemplateResponse:
        site = self.admin_site.each_context(request)
        return TemplateResponse(
            request,
            f"operator/{template}",
            {**site, "opts": self.opts, "title": title, **context},
        )


def _require(request: HttpRequest, verb: str) -> None:
    if not may(request.user, f"competitions.{verb}_participantmodel"):
        raise PermissionDenied


def _status_of(model_id: str) -> ModelStatus:
    row = status_of_model(model_id)
    if row is None:
        raise Http404(f"There is no local model {model_id}.")
    return row


def _lines(rows: Sequence[ModelStatus]) -> list[dict[str, Any]]:
    """Return the page's rows; `why` is the newest error, also of a running model."""
    said = dict(
        ParticipantModel.objects.real()
        .filter(
            # Others have models of the same names.
            competition__slug=settings.ENV.local_models_competition,
            model_id__in=[row.model_id for row in rows],
        )
        .exclude(last_error="")
        .values_list("model_id", "last_error")
    )
    return [
        {**_line(row), "why": row.error or said.get(row.model_id, "")} for row in rows
    ]


def _line(row: ModelStatus) -> dict[str, Any]:
    names = OFFERED.get(row.state, ["restart", "stop"])
    return {
        "model": row,
        "tone": TONES[row.state],
        "since": datetime.fromisoformat(row.changed_at),
        "buttons": [(name, ACTIONS[name].title) for name in names],
    }


def _orchestrator() -> dict[str, Any]:
    """Return when the orchestrator last worked, whether it is silent, its sandbox."""
    seen_at = control.seen_at(settings.MODELS_LOG_DIR)
    rows = control.status(settings.MODELS_LOG_DIR)
    return {
        "seen_at": seen_at,
        "is_silent": seen_at is not None
        and (clock.wall_now() - seen_at).total_seconds() > SILENCE_S,
        "sandbox": rows[0].sandbox if rows else "",
    }
