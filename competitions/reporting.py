"""What the report endpoints of all apps share: the competition asked for, and pages."""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from operator import attrgetter
from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition


class Refusal(serializers.Serializer[Any]):
    """The one envelope of an error."""

    detail = serializers.CharField(help_text="What was found, and what to do.")
    code = serializers.CharField(help_text="Stable; for programs.")


REFUSALS = {404: Refusal, 422: Refusal}


class Conflict(APIException):
    status_code = 409
    default_code = "conflict"


class CompetitionQuery(serializers.Serializer[Any]):
    competition = serializers.SlugField(
        required=False,
        help_text="Slug. Without it: the first active competition.",
    )


class PageQuery(CompetitionQuery):
    """Query of a list; a full page names the next one in its `Link` header."""

    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)
    cursor = serializers.CharField(
        required=False, help_text="Opaque; taken from the `Link` header."
    )


def read_query(
    query_class: type[serializers.Serializer[Any]], request: Request
) -> dict[str, Any]:
    """The query's checked values; raises ValidationError naming the bad one."""
    query = query_class(data=request.query_params)
    query.is_valid(raise_exception=True)
    return query.validated_data


def chosen_competition(query: dict[str, Any]) -> Competition | None:
    """The competition asked for, else the first active one, else None.

    Raises NotFound for an unknown slug.
    """
    slug = query.get("competition")
    if slug is None:
        return Competition.objects.active().order_by("pk").first()
    competition = Competition.objects.filter(slug=slug).first()
    if competition is None:
        raise NotFound(
            f"competition was {slug!r}; there is none of that name.",
            code="competition_not_found",
        )
    return competition


def list_report(query_class: type[CompetitionQuery], row: Any) -> Callable[..., Any]:
    """Make a GET view of `view(request, query, competition)`; `row` is for the schema.

    The view gets the checked query and the competition asked for; without any
    competition the answer is an empty list.
    """

    def decorate(view: Callable[..., Response]) -> Any:
        @wraps(view)
        def wrapped(request: Request) -> Response:
            query = read_query(query_class, request)
            competition = chosen_competition(query)
            if competition is None:
                return Response([])
            return view(request, query, competition)

        described = extend_schema(
            parameters=[query_class], responses={200: row, **REFUSALS}
        )
        return described(api_view(["GET"])(wrapped))

    return decorate


def id_list(request: Request, name: str) -> list[str]:
    """A repeatable query parameter whose values may also be comma separated."""
    values = request.query_params.getlist(name)
    return [part.strip() for value in values for part in value.split(",") if part]


@dataclass(frozen=True)
class Keyset:
    """A total order, `(field, primary key)`, and the cursors that walk it.

    `field` is a query path; `read` turns a cursor's JSON value back into the field's.
    """

    field: str
    read: Callable[[Any], Any]
    descending: bool = False

    def page(
        self, rows: QuerySet[Any], *, limit: int, cursor: str | None = None
    ) -> tuple[list[Any], str | None]:
        """At most `limit` rows behind `cursor`, and the cursor of the page after."""
        sign, side = ("-", "lt") if self.descending else ("", "gt")
        if cursor is not None:
            value, pk = self._decode(cursor)
            rows = rows.filter(
                # The first condition is implied; an index can use it.
                Q(**{f"{self.field}__{side}e": value}),
                Q(**{f"{self.field}__{side}": value}) | Q(**{f"pk__{side}": pk}),
            )
        found = list(rows.order_by(f"{sign}{self.field}", f"{sign}pk")[: limit + 1])
        if len(found) <= limit:
            return found, None
        return found[:limit], self._encode(found[limit - 1])

    def _encode(self, row: Any) -> str:
        value = attrgetter(self.field.replace("__", "."))(row)
        plain = value.isoformat() if isinstance(value, datetime) else value
        return base64.urlsafe_b64encode(json.dumps([plain, row.pk]).encode()).decode()

    def _decode(self, cursor: str) -> tuple[Any, int]:
        try:
            value, pk = json.loads(base64.urlsafe_b64decode(cursor))
            return self.read(value), int(pk)
        except (binascii.Error, ValueError, TypeError, UnicodeError):
            raise ValidationError(
                f"cursor was {cursor!r}; take it from the Link header of a page.",
                code="cursor_invalid",
            ) from None


def page_response(request: Request, rows: Any, next_cursor: str | None) -> Response:
    """A plain list; `Link: <...>; rel="next"` when there is more."""
    response = Response(rows)
    if next_cursor is not None:
        query = request.query_params.copy()
        query["cursor"] = next_cursor
        url = request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
        response["Link"] = f'<{url}>; rel="next"'
    return response


def numbers(summary: dict[str, Any]) -> dict[str, float | None]:
    """The numeric (or unknown) values of a summary, by name."""
    return {
        name: value
        for name, value in summary.items()
        if value is None
        or (isinstance(value, (int, float)) and not isinstance(value, bool))
    }
