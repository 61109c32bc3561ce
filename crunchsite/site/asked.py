"""Find what a request asks for: its competition, its model, its place on the board."""

from collections.abc import Sequence

from django.http import Http404, HttpRequest

from competitions.models import Competition, ParticipantModel


def after_of(request: HttpRequest) -> int:
    """Return the place on the board after which the page begins."""
    after = request.GET.get("after", "0")
    return int(after) if after.isdecimal() and len(after) < 10 else 0


def chosen(
    request: HttpRequest, competitions: Sequence[Competition] | None = None
) -> Competition | None:
    """Return the chosen competition, else the first; Http404 for an unknown slug."""
    if competitions is None:
        competitions = list(Competition.objects.seen_by(request.user))
    slug = request.GET.get("competition")
    if slug is None:
        return competitions[0] if competitions else None
    return required(next((c for c in competitions if c.slug == slug), None))


def required(competition: Competition | None) -> Competition:
    if competition is None:
        raise Http404("There is no such competition.")
    return competition


def shown_model(request: HttpRequest, model_id: str) -> ParticipantModel:
    """Return the model in the chosen competition, or in the first that has it."""
    rows = ParticipantModel.objects.filter(
        model_id=model_id, competition__in=Competition.objects.seen_by(request.user)
    )
    if slug := request.GET.get("competition"):
        rows = rows.filter(competition__slug=slug)
    found = rows.select_related("competition", "cruncher").order_by("pk").first()
    if found is None:
        raise Http404(f"There is no model {model_id}.")
    return found
