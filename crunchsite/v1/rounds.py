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
    Column("id", Kind.INTEGER),
    Column("slot_at", Kind.INSTANT),
    Column("scope_key", Kind.TEXT),
    Column("scope", Kind.JSON),
    Column("status", Kind.TEXT),
    Column("reason", Kind.TEXT),
    Column("input_age_s", Kind.NUMBER),
    Column("performed_at", Kind.INSTANT),
    Column("resolvable_at", Kind.INSTANT),
    Column("resolved_at", Kind.INSTANT),
    Column("truth", Kind.JSON, "actuals"),
    Column("tournament_round", Kind.TEXT, "tournament__round_id"),
    Column("sample", Kind.INTEGER),
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
