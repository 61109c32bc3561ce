"""Snapshots: the scores of a model in a period, summed up."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from core.paging import Keyset
from core.requests import IdListField, InstantField, read_instant
from crunchsite.v1.columns import Column, Kind
from crunchsite.v1.filters import Filters, reads
from crunchsite.v1.lists import CompetitionListView
from crunchsite.v1.queries import CompetitionListQuery
from crunchsite.v1.schema import BOARDS, list_operation
from scoring.models import Snapshot

COLUMNS = (
    Column("id", Kind.INTEGER),
    Column("model_id", Kind.TEXT, "model__model_id"),
    Column("period_start", Kind.INSTANT),
    Column("period_end", Kind.INSTANT),
    Column("prediction_count", Kind.INTEGER, help="Scored predictions."),
    Column("expected_count", Kind.INTEGER, help="Resolved rounds."),
    Column("value", Kind.NUMBER),
    Column("result_summary", Kind.JSON),
    Column("content_hash", Kind.TEXT),
    Column("is_closed", Kind.BOOLEAN, help="Whether it changes no more."),
    Column("revision", Kind.INTEGER, help="Rises with each correction."),
    Column("created_at", Kind.INSTANT),
    Column("updated_at", Kind.INSTANT),
)


class SnapshotListQuery(CompetitionListQuery):
    as_of = InstantField(
        required=False,
        help_text="The closed ones as they stood before this, without later "
        "corrections; of one that was open then, nothing is kept.",
    )


class SnapshotFilters(Filters):
    since = reads(
        InstantField(help_text="Periods that start from here on."),
        "period_start",
        "gte",
    )
    until = reads(
        InstantField(help_text="Periods that start before this."), "period_start", "lt"
    )
    model_id = reads(IdListField(), "model__model_id", "in")
    is_virtual = reads(
        serializers.BooleanField(help_text="Ensembles alone, or none of them."),
        "model__is_virtual",
    )
    is_closed = reads(serializers.BooleanField(), "is_closed")


@list_operation(BOARDS, "SnapshotItem", "List snapshots")
class SnapshotList(CompetitionListView):
    """One row a model and period, the newest period first; a closed one never changes.

    A correction adds a revision, which takes the place of the row before.
    """

    queryset = Snapshot.objects.all()
    columns = COLUMNS
    order = Keyset("period_start", read_instant, descending=True)
    query_class = SnapshotListQuery
    filterset_class = SnapshotFilters
    competition_path = "model__competition"
    has_files = True
    changes = "updated_at"

    def rows(self, query: dict[str, Any]) -> QuerySet[Any]:
        rows: Any = super().rows(query)
        as_of = query.get("as_of")
        known: QuerySet[Any] = rows.closed_at(as_of) if as_of else rows.current()
        return known
