"""Competitions."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from competitions.models import Competition
from core.paging import Keyset, read_text
from crunchsite.v1.columns import Column, Kind
from crunchsite.v1.filters import Filters, reads
from crunchsite.v1.lists import ListView
from crunchsite.v1.schema import COMPETITIONS, list_operation

COLUMNS = (
    Column("slug", Kind.TEXT),
    Column("name", Kind.TEXT),
    Column("status", Kind.TEXT),
    Column("pack", Kind.TEXT),
    Column("feed_source", Kind.TEXT),
    Column("feed_kind", Kind.TEXT),
    Column("feed_granularity", Kind.TEXT),
    Column("score_interval_s", Kind.INTEGER),
    Column("snapshot_period_s", Kind.INTEGER),
    Column("emission_interval_s", Kind.INTEGER, help="0: no emissions."),
    Column("crunch_pubkey", Kind.TEXT),
    Column("network", Kind.TEXT),
    Column("activated_at", Kind.INSTANT),
    Column("ending_at", Kind.INSTANT, help="When End was pressed."),
    Column("created_at", Kind.INSTANT),
)


class CompetitionFilters(Filters):
    status = reads(serializers.ChoiceField(Competition.Status.choices), "status")


@list_operation(COMPETITIONS, "CompetitionItem", "List competitions")
class CompetitionList(ListView):
    """The competitions that you may know of, by slug."""

    queryset = Competition.objects.all()
    columns = COLUMNS
    order = Keyset("slug", read_text)
    filterset_class = CompetitionFilters

    def rows(self, query: dict[str, Any]) -> QuerySet[Any]:
        return Competition.objects.seen_by(self.request.user)
