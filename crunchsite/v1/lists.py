"""Lists of /api/v1/: pages of JSON behind a cursor, or the whole as CSV or Parquet."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from django.db.models import Count, Max, QuerySet, Sum
from django.http import HttpResponseBase
from django.utils.http import quote_etag
from django.views.decorators.http import condition
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from competitions.models import Competition
from competitions.reporting import chosen_competition
from core.paging import Keyset, enveloped_page
from core.rendering import FastJson
from core.requests import read_query
from crunchsite.v1.caching import digest_of_facts, settled, tell_last_modified
from crunchsite.v1.columns import Column, chosen_columns, values_of
from crunchsite.v1.files import PART
from crunchsite.v1.filters import FilterBackend
from crunchsite.v1.negotiation import FORMATS, FileRenderer, Negotiation
from crunchsite.v1.queries import CompetitionListQuery, ListQuery


class Page(NamedTuple):
    """Rows of a list, the next page's cursor, and when the newest of its rows came."""

    rows: Sequence[Sequence[Any]]
    following: str | None
    newest: datetime | None = None


class ListView(GenericAPIView[Any]):
    """A list of the site's; `listed` gives it its place in the schema.

    `columns` are what a row has, `order` is the total order of its pages. A list with
    `has_files` is given as CSV and Parquet too; `changes` is the instant at which a row
    of it last changed, if rows change. `written` is the instant at which a row came,
    where rows neither change nor leave: the newest one is a page's `Last-Modified`.
    """

    tag: ClassVar[str]  # both given by schema.list_operation
    row_class: ClassVar[type[Serializer[Any]]]
    columns: ClassVar[Sequence[Column]]
    order: ClassVar[Keyset]
    query_class: ClassVar[type[ListQuery]] = ListQuery
    has_files: ClassVar[bool] = False
    changes: ClassVar[str | None] = None
    written: str | None = None
    filter_backends = [FilterBackend]
    content_negotiation_class = Negotiation

    def get_renderers(self) -> list[Any]:
        return [each() for each in (FORMATS if self.has_files else FORMATS[:1])]

    def get(self, request: Request) -> HttpResponseBase:
        query = read_query(self.query_class, request)
        columns = chosen_columns(self.columns, query.get("fields"))
        rows = self.selected(query)
        renderer = request.accepted_renderer
        if isinstance(renderer, FileRenderer):
            return self._file(request, rows, columns, renderer)
        names = [column.name for column in columns]
        found, following, newest = self.page(rows, columns, query)
        results = [dict(zip(names, row, strict=False)) for row in found]
        response = enveloped_page(request, results, following)
        tell_last_modified(response, newest)
        return response

    def selected(self, query: dict[str, Any]) -> Any:
        """Return all rows that are asked for."""
        return self.filter_queryset(self.rows(query))

    def rows(self, query: dict[str, Any]) -> QuerySet[Any]:
        """Return the rows that the request's user may see, before the filters."""
        return self.get_queryset()

    def page(self, rows: Any, columns: Sequence[Column], query: dict[str, Any]) -> Page:
        """Return the page at a cursor.

        Its newest instant is also that of the row behind it, without which it would
        have no next page.
        """
        limit = query["limit"]
        ordered = self.order.after(rows, query.get("cursor"))
        more = (self.order.field, "pk", *([self.written] if self.written else []))
        found = list(values_of(ordered, columns, *more)[: limit + 1])
        newest = max((row[-1] for row in found), default=None) if self.written else None
        if len(found) <= limit:
            return Page(found, None, newest)
        value, pk = found[limit - 1][len(columns) :][:2]
        return Page(found[:limit], self.order.cursor_at(value, pk), newest)

    def whole(self, rows: Any, columns: Sequence[Column]) -> Iterable[Sequence[Any]]:
        """Yield the values of the columns of all rows, a part at a time."""
        selected = values_of(self.order.after(rows), columns, as_text=True)
        return selected.iterator(chunk_size=PART)

    def _file(
        self,
        request: Request,
        rows: Any,
        columns: Sequence[Column],
        renderer: FileRenderer,
    ) -> HttpResponseBase:
        for name in ("limit", "cursor"):
            if name in request.query_params:
                raise ValidationError(
                    {name: f"is for pages; {renderer.format} gives all rows at once."},
                    code="not_paged",
                )
        etag, newest = self.fingerprint(rows, columns, renderer)

        @condition(lambda _: etag, lambda _: settled(newest))
        def answer(_: Request) -> HttpResponseBase:
            title = request.path.rstrip("/").rpartition("/")[2]
            return renderer.file.response(title, columns, self.whole(rows, columns))

        return answer(request)

    def fingerprint(
        self,
        rows: Any,
        columns: Sequence[Column],
        renderer: FileRenderer,
        *facts: Any,
    ) -> tuple[str, datetime | None]:
        """Return a file's ETag and newest instant, by a statement that reads no values.

        Rows of these lists are never changed and leave a list only when others come,
        or else `changes` tells when they were.
        """
        figures = {"count": Count("pk"), "sum": Sum("pk")}
        if self.changes:
            figures["changed"] = Max(self.changes)
        if self.written:
            figures["newest"] = Max(self.written)
        found = rows.order_by().aggregate(**figures)
        names = ",".join(column.name for column in columns)
        digest = digest_of_facts(renderer.format, names, *found.values(), *facts)
        return quote_etag(digest), found.get("newest")

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        if response.status_code >= 400:  # whatever was asked for, this is JSON
            request.accepted_renderer = FastJson()
            request.accepted_media_type = FastJson.media_type
        return super().finalize_response(request, response, *args, **kwargs)


class CompetitionListView(ListView):
    """A list of one competition's rows; `competition_path` leads from a row to it."""

    query_class = CompetitionListQuery
    competition_path: ClassVar[str] = "competition"

    def rows(self, query: dict[str, Any]) -> QuerySet[Any]:
        competition = chosen_competition(query, self.request.user)
        if competition is None:
            return self.get_queryset().none()
        return self.rows_of(competition, query)

    def rows_of(self, competition: Competition, query: dict[str, Any]) -> QuerySet[Any]:
        """Return the competition's rows, unfiltered."""
        return self.get_queryset().filter(**{self.competition_path: competition})
