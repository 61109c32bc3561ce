"""Checkpoints: closed periods and what they pay."""

from rest_framework import serializers

from core.paging import Keyset
from core.requests import InstantField, read_instant
from crunchsite.v1.columns import Column, Kind
from crunchsite.v1.filters import Filters, reads
from crunchsite.v1.lists import CompetitionListView
from crunchsite.v1.queries import CompetitionListQuery
from crunchsite.v1.schema import PAYOUTS, list_operation
from emissions.models import Checkpoint

COLUMNS = (
    Column("id", Kind.INTEGER),
    Column("period_start", Kind.INSTANT),
    Column("period_end", Kind.INSTANT),
    Column("status", Kind.TEXT),
    Column(
        "entries",
        Kind.JSON,
        help="One emission of the protocol, or none; 1 000 000 000 is the whole.",
    ),
    Column("merkle_root", Kind.TEXT),
    Column("tx_hash", Kind.TEXT),
    Column("submitted_at", Kind.INSTANT),
    Column("created_at", Kind.INSTANT),
)


class CheckpointListQuery(CompetitionListQuery):
    # A row holds a share for each cruncher.
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)


class CheckpointFilters(Filters):
    since = reads(
        InstantField(help_text="Periods that end from here on."), "period_end", "gte"
    )
    until = reads(
        InstantField(help_text="Periods that end before this."), "period_end", "lt"
    )
    as_of = reads(
        InstantField(help_text="Made before this; their status is that of now."),
        "created_at",
        "lt",
    )
    status = reads(serializers.ChoiceField(Checkpoint.Status.choices), "status")


@list_operation(PAYOUTS, "CheckpointItem", "List checkpoints")
class CheckpointList(CompetitionListView):
    """Closed periods and what they pay, the newest first."""

    queryset = Checkpoint.objects.all()
    columns = COLUMNS
    order = Keyset("period_end", read_instant, descending=True)
    query_class = CheckpointListQuery
    filterset_class = CheckpointFilters
