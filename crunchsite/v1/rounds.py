"""Predict rounds."""

from rest_framework import serializers

from competitions.models import Round
from core.paging import Keyset
from core.requests import IdField, InstantField, read_instant
from crunchsite.v1.columns import Column, Kind
from crunchsite.v1.filters import Filters, reads
from crunchsite.v1.lists import CompetitionListView
from crunchsite.v1.schema import ROUNDS, list_operation

COLUMNS = (
    Column("id", Kind.INTEGER, 4711),
    Column("slot_at", Kind.INSTANT, "2026-03-02T12:00:00Z"),
    Column("scope_key", Kind.TEXT, "BTCUSDT-60"),
    Column("scope", Kind.JSON, {"subject": "BTCUSDT", "step_seconds": 60}),
    Column("status", Kind.TEXT, "RESOLVED"),
    Column("reason", Kind.TEXT, ""),
    Column("input_age_s", Kind.NUMBER, 0.4),
    Column("performed_at", Kind.INSTANT, "2026-03-02T12:00:00.180000Z"),
    Column("resolvable_at", Kind.INSTANT, "2026-03-02T12:01:00Z"),
    Column("resolved_at", Kind.INSTANT, "2026-03-02T12:01:02Z"),
    Column("truth", Kind.JSON, {"actual_return": 0.0004}, "actuals"),
    Column("tournament_round", Kind.TEXT, None, "tournament__round_id"),
    Column("sample", Kind.INTEGER, None),
)


class RoundFilters(Filters):
    since = reads(InstantField(help_text="Slots from here on."), "slot_at", "gte")
    until = reads(InstantField(help_text="Slots before this."), "slot_at", "lt")
    scope_key = reads(IdField(), "scope_key")
    status = reads(serializers.ChoiceField(Round.Status.choices), "status")


@list_operation(ROUNDS, "RoundItem", "List predict rounds")
class RoundList(CompetitionListView):
    """The rounds of a competition, the newest slot first, as they stand now."""

    queryset = Round.objects.all()
    columns = COLUMNS
    order = Keyset("slot_at", read_instant, descending=True)
    filterset_class = RoundFilters
