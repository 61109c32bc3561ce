"""The endpoint of events, for programs that follow them."""

from typing import Any

from django.db.models import Max, Min
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.reporting import chosen_competition
from core.facts import FactKind
from core.paging import LARGEST_INT
from core.requests import IdListField, read_query
from crunchsite.events.models import Event


class KindListField(IdListField):
    child = serializers.ChoiceField(FactKind.choices)  # type: ignore[assignment]


class EventQuery(serializers.Serializer[Any]):
    after = serializers.IntegerField(
        min_value=0,
        max_value=LARGEST_INT,
        default=0,
        help_text="The `after` of the previous answer; without it, from the oldest"
        " event on.",
    )
    competition = serializers.SlugField(
        required=False,
        help_text="Slug. Without it: events of all competitions and of the site.",
    )
    kinds = KindListField(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)


class EventRow(serializers.Serializer[Any]):
    id = serializers.IntegerField(
        help_text="Ascends; later events always have higher ids."
    )
    type = serializers.ChoiceField(FactKind.choices)
    timestamp = serializers.DateTimeField()
    competition = serializers.CharField(
        allow_null=True, help_text="Slug; `null` for events of the whole site."
    )
    data = serializers.DictField()  # type: ignore[assignment]


class EventPage(serializers.Serializer[Any]):
    events = EventRow(many=True)
    after = serializers.IntegerField(help_text="Send this with the next request.")
    oldest = serializers.IntegerField(
        allow_null=True,
        help_text="The lowest id that is kept. If it is above the `after` that you"
        " sent, you may have missed events.",
    )
    newest = serializers.IntegerField(
        allow_null=True, help_text="The highest id; start here to see only new events."
    )


@extend_schema(
    parameters=[EventQuery],
    responses=EventPage,
)
@api_view(["GET"])
def events(request: Request) -> Response:
    """Return events after `after`, in order; none is ever inserted in between."""
    query = read_query(EventQuery, request)
    rows = Event.objects.published().seen_by(request.user)
    if "competition" in query:
        rows = rows.filter(competition=chosen_competition(query, request.user))
    if kinds := query.get("kinds"):
        rows = rows.filter(kind__in=kinds)
    # Read first: otherwise events numbered meanwhile would be newer than `newest`.
    kept = Event.objects.aggregate(oldest=Min("number"), newest=Max("number"))
    found = list(
        rows.filter(number__gt=query["after"]).select_related("competition")[
            : query["limit"]
        ]
    )
    return Response(
        {
            "events": [event.document() for event in found],
            "after": found[-1].number if found else query["after"],
            **kept,
        }
    )
