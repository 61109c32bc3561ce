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
    Column("id", Kind.INTEGER, 7),
    Column("period_start", Kind.INSTANT, "2026-02-23T12:00:00Z"),
    Column("period_end", Kind.INSTANT, "2026-03-02T12:00:00Z"),
    Column("status", Kind.TEXT, "SUBMITTED"),
    Column(
        "entries",
        Kind.JSON,
        [
            {
                "crunch": "5kJ3xT",
                "cruncher_rewards": [{"cruncher_index": 0, "reward_pct": 350000000}],
                "compute_provider_rewards": [],
                "data_provider_rewards": [],
            }
        ],
        help="One emission of the protocol, or none; 1 000 000 000 is the whole.",
    ),
    Column("merkle_root", Kind.TEXT, None),
    Column("tx_hash", Kind.TEXT, "5kJ3xT"),
    Column("submitted_at", Kind.INSTANT, "2026-03-02T14:00:00Z"),
    Column("created_at", Kind.INSTANT, "2026-03-02T12:00:01Z"),
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
