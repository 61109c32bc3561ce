"""Shared parts of report endpoints: the chosen competition, paging, schemas."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition
from competitions.models.competition import CompetitionQuerySet
from core import paging
from core.acts import bound_to
from core.first_statement import first_statement
from core.requests import read_query
from core.rounding import is_figure

# Nearly every request asks for it; Django takes longer to write it than to run it.
_FIRST_ACTIVE = """
    SELECT * FROM competitions WHERE status = 'ACTIVE' ORDER BY id LIMIT 1
"""


class CompetitionQuery(serializers.Serializer[Any]):
    competition = serializers.SlugField(
        required=False,
        help_text="Slug. Without it: the first active competition, or the first that "
        "is no draft when none is active.",
    )


class CompetitionPageQuery(CompetitionQuery, paging.PageQuery):
    """Query of a list of one competition."""


def chosen_competition(query: dict[str, Any], user: Any) -> Competition | None:
    """Return the competition of the query, else the key's or first public one, or None.

    Raises NotFound for an unknown slug, and for a draft of which the user may not know;
    PermissionDenied for a competition that is shown and that the key does not reach.
    """
    return first_statement(partial(_chosen, query, user))


def _chosen(query: dict[str, Any], user: Any) -> Competition | None:
    slug = query.get("competition")
    if slug is None and bound_to(user) is None:
        active = Competition.objects.raw(_FIRST_ACTIVE)
        return next(iter(active), None) or Competition.objects.shown().first()
    seen = Competition.objects.seen_by(user)
    if slug is None:
        return seen.first()
    competition = seen.filter(slug=slug).first()
    if competition is None:
        refuse_beyond(user, Competition.objects.filter(slug=slug))
        raise NotFound(
            f"competition was {slug!r}; there is none with that name.",
            code="competition_not_found",
        )
    return competition


def refuse_beyond(user: Any, asked: CompetitionQuerySet) -> None:
    """Refuse an object that the key did not find because another competition owns it.

    Raises PermissionDenied if that competition is public. Callers without such a key
    see all public objects anyway.
    """
    bound = bound_to(user)
    if bound is not None and asked.exclude(pk=bound).shown().exists():
        raise PermissionDenied(
            "This key is bound to another competition.", code="key_out_of_reach"
        )


def list_report(query_class: type[CompetitionQuery], row: Any) -> Callable[..., Any]:
    """Make a GET view of `view(request, query, competition)`; `row` is for the schema.

    The view gets the checked query and the competition asked for; without any
    competition the answer is an empty list.
    """

    def decorate(view: Callable[..., Response]) -> Any:
        @wraps(view)
        def wrapped(request: Request) -> Response:
            query = read_query(query_class, request)
            competition = chosen_competition(query, request.user)
            if competition is None:
                return Response([])
            return view(request, query, competition)

        described = extend_schema(parameters=[query_class], responses=row)
        return described(api_view(["GET"])(wrapped))

    return decorate


def finite_numbers(summary: dict[str, Any]) -> dict[str, float | None]:
    """Return the numeric (or unknown) values of a summary, by name."""
    return {
        name: value
        for name, value in summary.items()
        if value is None or is_figure(value)
    }
