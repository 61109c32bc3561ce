"""How a resource is told of in the schema: tag, row, page, formats."""

import re
from collections.abc import Callable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    extend_schema,
    extend_schema_view,
)
from rest_framework import serializers

from crunchsite.v1.columns import row_serializer
from crunchsite.v1.files import PARQUET
from crunchsite.v1.lists import ListView
from crunchsite.v1.negotiation import FORMATS

COMPETITIONS = "Competitions"
ROUNDS = "Rounds and predictions"
BOARDS = "Scores and boards"
PAYOUTS = "Payouts"
MARKET = "Market data"
LIVE_POOL = "Live pool"

JSON = "application/json"
FORMAT = OpenApiParameter(
    "format",
    enum=[renderer.format for renderer in FORMATS],
    description="Decides before the `Accept` header. CSV and Parquet give all rows.",
)


def list_operation(tag: str, row: str, summary: str) -> Callable[[Any], Any]:
    """Describe the `get` of a list whose rows are called `row` in the schema."""

    def decorate(view: type[ListView]) -> type[ListView]:
        view.tag, view.row_class = tag, row_serializer(row, view.columns)
        responses: dict[Any, Any] = {(200, JSON): page_of(row, view)}
        if view.has_files:
            responses[200, "text/csv"] = OpenApiTypes.STR
            responses[200, PARQUET.media_type] = OpenApiTypes.BINARY
        described: type[ListView] = extend_schema_view(
            get=extend_schema(
                tags=[tag],
                summary=summary,
                description=view.__doc__,
                parameters=[view.query_class, *([FORMAT] if view.has_files else [])],
                responses=responses,
                filters=True,
            )
        )(view)
        return described

    return decorate


def item_operation(summary: str) -> Callable[[Any], Any]:
    """Describe the `get` of a single row of a list that is described."""

    def decorate(view: Any) -> Any:
        return extend_schema_view(
            get=extend_schema(
                operation_id="v1" + re.sub("([A-Z])", r"_\1", view.__name__).lower(),
                tags=[view.tag],
                summary=summary,
                description=view.__doc__,
                parameters=[view.item_query],
                responses=view.row_class,
                filters=False,
            )
        )(view)

    return decorate


def page_of(row: str, view: type[ListView]) -> Any:
    """Return the serializer of a page of such rows."""
    body = {
        "results": view.row_class(many=True),
        "next": serializers.CharField(
            allow_null=True, help_text="The address of the following page."
        ),
    }
    return type(f"{row}Page", (serializers.Serializer,), body)
