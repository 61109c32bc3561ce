"""Pages of a list: a total order, a cursor, a most, and the way to the next page."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.core.exceptions import ValidationError as InvalidKeyError
from django.db.models import Field, Q, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response


class PageQuery(serializers.Serializer[Any]):
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
            key = rows.model._meta.pk  # noqa: SLF001  documented API
            value, pk = self._decode(cursor, key)
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
        key = row.pk if isinstance(row.pk, int) else str(row.pk)
        return base64.urlsafe_b64encode(json.dumps([plain, key]).encode()).decode()

    def _decode(self, cursor: str, key: "Field[Any, Any]") -> tuple[Any, Any]:
        try:
            value, pk = json.loads(base64.urlsafe_b64decode(cursor))
            return self.read(value), key.to_python(pk)
        except (ValueError, TypeError, InvalidKeyError):
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
