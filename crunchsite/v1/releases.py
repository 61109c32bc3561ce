"""Releases of the live pool."""

from datetime import date
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from core.paging import Keyset
from core.requests import IdField, InstantField
from crunchsite.v1.columns import Column, Kind
from crunchsite.v1.filters import Filters, reads
from crunchsite.v1.lists import ListView
from crunchsite.v1.schema import LIVE_POOL, list_operation
from livepool.api import SHOWN
from livepool.models import Release

COLUMNS = (
    Column("version", Kind.TEXT),
    Column("mode", Kind.TEXT),
    Column("as_of_date", Kind.DATE),
    Column("revision", Kind.INTEGER),
    Column("status", Kind.TEXT),
    Column("symbols", Kind.JSON, help="The pool, in order."),
    Column("symbol_map", Kind.JSON),
    Column("source_project", Kind.TEXT),
    Column("regime", Kind.TEXT),
    Column("checksums", Kind.JSON),
    Column(
        "storage_prefix",
        Kind.TEXT,
        "shown_prefix",
        help="Its address; of a local store, its name below the store's folder.",
    ),
    Column("reason", Kind.TEXT, help="Why it was revised or withdrawn."),
    Column("published_at", Kind.INSTANT),
    Column("activated_at", Kind.INSTANT),
)


class ReleaseFilters(Filters):
    since = reads(
        serializers.DateField(help_text="`as_of_date` from here on."),
        "as_of_date",
        "gte",
    )
    until = reads(
        serializers.DateField(help_text="`as_of_date` before this."), "as_of_date", "lt"
    )
    as_of = reads(
        InstantField(help_text="Published before this; their status is that of now."),
        "published_at",
        "lt",
    )
    mode = reads(IdField(max_length=40), "mode")
    status = reads(serializers.ChoiceField(SHOWN), "status")


@list_operation(LIVE_POOL, "ReleaseItem", "List releases of the live pool")
class ReleaseList(ListView):
    """All that was ever published, the newest first."""

    queryset = Release.objects.all()
    columns = COLUMNS
    order = Keyset("as_of_date", date.fromisoformat, descending=True)
    filterset_class = ReleaseFilters

    def rows(self, query: dict[str, Any]) -> QuerySet[Any]:
        return Release.objects.ever_published()
