"""The page of an act: what it will do, why it is done, and, once posted, the act."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from core.errors import OperatorError


class AdminClass(Protocol):
    """What the page needs of the admin class that it belongs to."""

    admin_site: Any
    opts: Any


@dataclass(frozen=True)
class ActionPage:
    """What one act shows, and where it leads.

    `heading` names the act and its button, `subject` what it is done to, `effect` says
    in sentences what will happen. `back` is where Cancel leads, `done` where the
    finished act does. A `refusal` is shown in place of effect and form.
    """

    heading: str
    subject: str
    effect: Sequence[str]
    form: forms.Form
    back: str
    done: str
    refusal: str = ""
    template: str = "operator/act.html"
    more: Mapping[str, Any] = field(default_factory=dict)

    def respond(
        self,
        request: HttpRequest,
        *,
        page: AdminClass,
        run: Callable[[dict[str, Any]], str],
    ) -> HttpResponse:
        """Show the page; when a valid form is posted, call `run` with its values.

        `run` returns the sentence that says what was done. What it refuses is shown
        above the form, which keeps what was typed.
        """
        if request.method == "POST" and not self.refusal and self.form.is_valid():
            try:
                told = run(self.form.cleaned_data)
            except (OperatorError, OSError) as error:
                messages.error(request, str(error))
            else:
                messages.success(request, told)
                return redirect(self.done)
        context = {
            **page.admin_site.each_context(request),
            "opts": page.opts,
            "title": ": ".join(filter(None, (self.heading, self.subject))),
            "heading": self.heading,
            "effect": self.effect,
            "form": self.form,
            "back": self.back,
            "refusal": self.refusal,
            **self.more,
        }
        return TemplateResponse(request, self.template, context)
