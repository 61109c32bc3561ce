"""Page through a list: a total order, a cursor, a maximum size, a link to the rest."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from typing import Any

from django.core.exceptions import ValidationError as InvalidKeyError
from django.db.models import AutoField, Q, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from core.parsing import parse_json
from core.texts import storable

LONGEST_CURSOR = 600
LARGEST_INT = 2**63 - 1  # of a column


class PageQuery(serializers.Serializer[Any]):
    """Query of a list; a full page names the next one in its `Link` header."""

    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100)
    cursor = serializers.CharField(
        required=False,
        max_length=LONGEST_CURSOR,
        help_text="Opaque; taken from the `Link` header.",
    )


def read_text(value: Any) -> str:
    """Return a cursor's text if a column can hold it; raises ValueError."""
    if not isinstance(value, str) or storable(value) != value:
        raise ValueError("this is not a text")
    return value


def read_int(value: Any) -> int:
    """Return a cursor's integer if a column can hold it; raises ValueError."""
    if type(value) is not int or abs(value) > LARGEST_INT:
        raise ValueError("this is not an integer")
    return value


def write_cursor(*values: Any) -> str:
    """Pack instants, integers and texts into an opaque text."""
    plain = [v.isoformat() if isinstance(v, date) else v for v in values]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode()


def read_cursor(cursor: str, *readers: Callable[[Any], Any]) -> list[Any]:
    """Unpack a text of `write_cursor`, with one reader for each value.

    Raises ValidationError, code `cursor_invalid`, for anything else.
    """
    try:
        values = parse_json(base64.b64decode(cursor, altchars=b"-_", validate=True))
        return [read(value) for read, value in zip(readers, values, strict=True)]
    except (ValueError, TypeError, InvalidKeyError):
        raise ValidationError(
            f"cursor was {cursor!r}; take it from the Link header of a page.",
            code="cursor_invalid",
        ) from None


@dataclass(frozen=True)
class Keyset:
    """A total order, `(field, primary key)`, and the cursors that page through it.

    `field` is a query path; `read` turns a cursor's JSON value back into the field's
    (`read_int`, `read_text`, `core.requests.read_instant`).
    """

    field: str
    read: Callable[[Any], Any]
    descending: bool = False

    def page(
        self, rows: QuerySet[Any], *, limit: int, cursor: str | None = None
    ) -> tuple[list[Any], str | None]:
        """Return at most `limit` rows after `cursor`, and the next page's cursor."""
        found = list(self.after(rows, cursor)[: limit + 1])
        if len(found) <= limit:
            return found, None
        last = found[limit - 1]
        value = attrgetter(self.field.replace("__", "."))(last)
        return found[:limit], self.cursor_at(value, last.pk)

    def page_of_values(
        self,
        rows: QuerySet[Any],
        sources: Sequence[Any],
        *,
        limit: int,
        cursor: str | None = None,
    ) -> tuple[list[tuple[Any, ...]], str | None]:
        """Return a page as values of the sources, then of `field` and of the key."""
        ordered = self.after(rows, cursor)
        found = list(ordered.values_list(*sources, self.field, "pk")[: limit + 1])
        if len(found) <= limit:
            return found, None
        return found[:limit], self.cursor_at(*found[limit - 1][-2:])

    def after(self, rows: QuerySet[Any], cursor: str | None = None) -> QuerySet[Any]:
        """Return the rows in this order, those after `cursor` alone."""
        sign, side = ("-", "lt") if self.descending else ("", "gt")
        if cursor is not None:
            key = rows.model._meta.pk  # noqa: SLF001  documented API
            is_number = isinstance(key, AutoField)
            value, pk = read_cursor(
                cursor, self.read, read_int if is_number else key.to_python
            )
            rows = rows.filter(
                # The first condition is implied; an index can use it.
                Q(**{f"{self.field}__{side}e": value}),
                Q(**{f"{self.field}__{side}": value}) | Q(**{f"pk__{side}": pk}),
            )
        return rows.order_by(f"{sign}{self.field}", f"{sign}pk")

    def cursor_at(self, value: Any, pk: Any) -> str:
        """Return the cursor of the row with this value of `field` and this key."""
        return write_cursor(value, pk if isinstance(pk, int) else str(pk))


def page_response(request: Request, rows: Any, next_cursor: str | None) -> Response:
    """Return a plain list; `Link: <...>; rel="next"` when there is more."""
    return _linked(Response(rows), next_url(request, next_cursor))


def enveloped_page(request: Request, rows: Any, next_cursor: str | None) -> Response:
    """Return `{"results": rows, "next": url or None}`, and the same `Link`."""
    url = next_url(request, next_cursor)
    return _linked(Response({"results": rows, "next": url}), url)


def next_url(request: Request, next_cursor: str | None) -> str | None:
    """Return the address of the page at a cursor, with all else that was asked."""
    if next_cursor is None:
        return None
    query = request.query_params.copy()
    query["cursor"] = next_cursor
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")


def _linked(response: Response, url: str | None) -> Response:
    if url is not None:
        response["Link"] = f'<{url}>; rel="next"'
    return response
