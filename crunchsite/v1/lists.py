"""Lists of /api/v1/: pages of JSON behind a cursor, or the whole as CSV or Parquet."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Count, Max, QuerySet, Sum
from django.http import HttpResponseBase
from django.utils.http import quote_etag
from django.views.decorators.http import condition
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition
from competitions.reporting import chosen_competition
from core.paging import Keyset, enveloped_page
from core.requests import read_query
from crunchsite.v1.caching import digest, tell_caches
from crunchsite.v1.columns import Column, chosen, values_of
from crunchsite.v1.files import PART
from crunchsite.v1.negotiation import FORMATS, FileRenderer, Negotiation
from crunchsite.v1.queries import CompetitionListQuery, ListQuery


class ListView(GenericAPIView[Any]):
    """A list of the site's; `listed` gives it its place in the schema.

    `columns` are what a row has, `order` is the total order of its pages. A list with
    `has_files` is given as CSV and Parquet too; `changes` is the instant at which a row
    of it last changed, if rows change.
    """

    columns: ClassVar[Sequence[Column]]
    order: ClassVar[Keyset]
    query_class: ClassVar[type[ListQuery]] = ListQuery
    has_files: ClassVar[bool] = False
    changes: ClassVar[str | None] = None
    filter_backends = [DjangoFilterBackend]
    content_negotiation_class = Negotiation

    def get_renderers(self) -> list[Any]:
        return [each() for each in (FORMATS if self.has_files else FORMATS[:1])]

    def get(self, request: Request) -> HttpResponseBase:
        query = read_query(self.query_class, request)
        columns = chosen(self.columns, query.get("fields"))
        rows = self.filter_queryset(self.rows(query))
        renderer = request.accepted_renderer
        if isinstance(renderer, FileRenderer):
            return self._file(request, rows, columns, renderer)
        return self._page(request, rows, columns, query)

    def rows(self, query: dict[str, Any]) -> QuerySet[Any]:
        """Return the rows that the request's user may see, unfiltered."""
        return self.get_queryset()

    def _page(
        self,
        request: Request,
        rows: QuerySet[Any],
        columns: Sequence[Column],
        query: dict[str, Any],
    ) -> Response:
        limit = query.get("limit", self.query_class.page_length)
        ordered = self.order.after(rows, query.get("cursor"))
        found = list(values_of(ordered, columns, self.order.field, "pk")[: limit + 1])
        following = None
        if len(found) > limit:
            found.pop()
            following = self.order.cursor_at(*found[-1][-2:])
        names = [column.name for column in columns]
        results = [dict(zip(names, row, strict=False)) for row in found]
        return enveloped_page(request, results, following)

    def _file(
        self,
        request: Request,
        rows: QuerySet[Any],
        columns: Sequence[Column],
        renderer: FileRenderer,
    ) -> HttpResponseBase:
        for name in ("limit", "cursor"):
            if name in request.query_params:
                raise ValidationError(
                    {name: f"is for pages; {renderer.format} gives all rows at once."},
                    code="not_paged",
                )
        etag = self.fingerprint(rows, columns, renderer)

        @condition(etag_func=lambda _: etag)
        def answer(_: Request) -> HttpResponseBase:
            ordered = self.order.after(rows)
            selected = values_of(ordered, columns, as_text=True)
            title = request.path.rstrip("/").rpartition("/")[2]
            return renderer.file.response(
                title, columns, selected.iterator(chunk_size=PART)
            )

        return answer(request)

    def fingerprint(
        self, rows: QuerySet[Any], columns: Sequence[Column], renderer: FileRenderer
    ) -> str:
        """Return the ETag of a file, from one statement that reads no values.

        Rows of these lists are never changed and leave a list only when others come,
        or else `changes` tells when they were.
        """
        figures = {"count": Count("pk"), "sum": Sum("pk")}
        if self.changes:
            figures["changed"] = Max(self.changes)
        found = rows.order_by().aggregate(**figures)
        names = ",".join(column.name for column in columns)
        return quote_etag(digest(renderer.format, names, *found.values()))

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        if response.status_code >= 400:  # whatever was asked for, this is JSON
            request.accepted_renderer = JSONRenderer()
            request.accepted_media_type = JSONRenderer.media_type
        answer = super().finalize_response(request, response, *args, **kwargs)
        if request.method in SAFE_METHODS:
            tell_caches(answer, request.user)
        return answer


class CompetitionListView(ListView):
    """A list of one competition's rows; `competition_path` leads from a row to it."""

    query_class = CompetitionListQuery
    competition_path: ClassVar[str] = "competition"

    def rows(self, query: dict[str, Any]) -> QuerySet[Any]:
        competition = chosen_competition(query, self.request.user)
        if competition is None:
            return self.get_queryset().none()
        return self.rows_of(competition)

    def rows_of(self, competition: Competition) -> QuerySet[Any]:
        """Return the competition's rows, unfiltered."""
        return self.get_queryset().filter(**{self.competition_path: competition})
