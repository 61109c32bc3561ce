"""The operator's page of a correction: enter, preview the changes, apply."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.widgets import INPUT_CLASSES, SELECT_CLASSES

from competitions.errors import CompetitionError
from competitions.models import Competition
from core import clock
from core.grid import floor
from crunchsite.operator.actions import CORRECTIONS, asked, correct, in_words
from crunchsite.operator.previews import token_of, was_previewed
from scoring.corrections import Correction, Newest, newest
from scoring.moves import Move

NOT_APPLIED = (
    "Not applied: the fields were changed, something was corrected since the preview, "
    "or it was too long ago. Below is what it would do now."
)
MOST_ROWS = 200
MOST_LINES = 20
ROW_PX = 22


class InstantInput(forms.DateTimeInput):
    input_type = "datetime-local"

    def __init__(self) -> None:
        attrs = {"class": " ".join(INPUT_CLASSES), "step": "1"}
        super().__init__(attrs, format="%Y-%m-%dT%H:%M:%S")


class CorrectionForm(forms.Form):
    start = forms.DateTimeField(widget=InstantInput(), label="From (UTC)")
    end = forms.DateTimeField(
        widget=InstantInput(),
        label="To (UTC)",
        help_text="The end, exclusive: the first instant after the stretch.",
    )
    scope_key = forms.ChoiceField(
        required=False,
        label="Scope",
        widget=forms.Select(attrs={"class": " ".join(SELECT_CLASSES)}),
    )
    reason = forms.CharField(
        max_length=300,
        widget=forms.TextInput(attrs={"class": " ".join(INPUT_CLASSES)}),
        help_text="Participants read it, and it is kept in the trail.",
    )

    def __init__(self, kind: str, competition: Competition, data: Any) -> None:
        self.kind, self.competition = kind, competition
        length_s = competition.snapshot_period_s
        end = floor(clock.now(), length_s)
        start = end - timedelta(seconds=length_s)
        super().__init__(data, initial={"start": start, "end": end})
        if kind == "void":
            keys = competition.scheduled_predictions.values_list("scope_key", flat=True)
            self.fields["scope_key"].choices = [  # type: ignore[attr-defined]
                ("", "every scope"),
                *((key, key) for key in keys),
            ]
        else:
            del self.fields["scope_key"]

    def asked(self, on: Newest) -> list[Any]:
        """What a preview is good for: these fields, as long as nothing is corrected."""
        return asked(self.kind, self.competition, self.span, on)

    @property
    def span(self) -> dict[str, Any]:
        """Return the service's arguments from a valid form, except the reason."""
        return {k: v for k, v in self.cleaned_data.items() if k != "reason"}


@dataclass(frozen=True)
class SlopeLine:
    """A model's rank before and after, as heights in a picture of `ROW_PX` per rank."""

    model_id: str
    before: float
    after: float

    @property
    def tone(self) -> str:
        if self.after == self.before:
            return "same"
        return "up" if self.after < self.before else "down"


def slope(moves: list[Move]) -> list[SlopeLine]:
    """Return lines from rank to rank; empty if none moves, or too many to see."""
    ranked = [
        (move.model_id, move.rank_before, move.rank_after)
        for move in moves
        if move.rank_before is not None and move.rank_after is not None
    ]
    highest = max((max(before, after) for _, before, after in ranked), default=0)
    if highest > MOST_LINES or all(before == after for _, before, after in ranked):
        return []
    return [
        SlopeLine(model_id, (before - 0.5) * ROW_PX, (after - 0.5) * ROW_PX)
        for model_id, before, after in ranked
    ]


def correction_page(
    request: HttpRequest, competition: Competition, kind: str, frame: dict[str, Any]
) -> HttpResponse:
    """Ask for a range of time and a reason; preview the moves; then apply.

    Only what was just previewed is applied: after a changed field or another correction
    it is previewed again.
    """
    title = CORRECTIONS[kind].title
    form = CorrectionForm(kind, competition, request.POST or None)
    shown: Correction | None = None
    on = newest(competition.pk)
    if request.method == "POST" and form.is_valid():
        is_applied = "apply" in request.POST and was_previewed(
            request.POST.get("previewed", ""), form.asked(on)
        )
        if "apply" in request.POST and not is_applied:
            messages.warning(request, NOT_APPLIED)
        try:
            shown = correct(
                kind=kind,
                competition=competition,
                user=request.user,
                reason=form.cleaned_data["reason"],
                span=form.span,
                preview=not is_applied,
                on=on if is_applied else None,
            )
        except CompetitionError as error:
            messages.error(request, str(error))
        else:
            if is_applied:
                messages.success(request, f"{title}: {in_words(shown)}")
                return redirect("admin:competitions_competition_changelist")
    context = {
        **frame,
        "title": f"{title}: {competition}",
        "heading": title,
        "competition": competition,
        "form": form,
        "shown": shown,
    }
    if shown is not None:
        lines = slope(shown.moves)
        context |= {
            "summary": in_words(shown),
            "token": token_of(form.asked(on)),
            "moves": shown.moves[:MOST_ROWS],
            "lines": lines,
            "height": max((max(x.before, x.after) for x in lines), default=0) + ROW_PX,
        }
    return TemplateResponse(request, "operator/correct.html", context)
