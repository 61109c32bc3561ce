"""Show a page that asks to confirm an act with a reason; perform it when posted."""

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
    """The methods of an admin class that the page calls."""

    admin_site: Any
    opts: Any


@dataclass(frozen=True)
class ActionPage:
    """The texts of an act's page, and the addresses that it leads to.

    `heading` names the act and its button, `subject` the row that it changes. `effect`
    describes in sentences what will happen. `back` is the address of Cancel, `done`
    the one after the act. A `refusal` replaces effect and form.
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
        """Render the page; when a valid form is posted, call `run` with its values.

        `run` returns a sentence about what was done. The page prints its refusal above
        the form, which keeps what was typed.
        """
        if request.method == "POST" and not self.refusal and self.form.is_valid():
            try:
                message = run(self.form.cleaned_data)
            except (OperatorError, OSError) as error:
                messages.error(request, str(error))
            else:
                messages.success(request, message)
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
