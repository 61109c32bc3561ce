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
    Column("slug", Kind.TEXT, "btc-demo"),
    Column("name", Kind.TEXT, "BTC, one minute ahead"),
    Column("status", Kind.TEXT, "ACTIVE"),
    Column("pack", Kind.TEXT, "realtime"),
    Column("feed_source", Kind.TEXT, "binance"),
    Column("feed_kind", Kind.TEXT, "candle"),
    Column("feed_granularity", Kind.TEXT, "1m"),
    Column("score_interval_s", Kind.INTEGER, 10),
    Column("snapshot_period_s", Kind.INTEGER, 3600),
    Column("emission_interval_s", Kind.INTEGER, 604800, help="0: no emissions."),
    Column("crunch_pubkey", Kind.TEXT, "5kJ3xT"),
    Column("network", Kind.TEXT, "devnet"),
    Column("activated_at", Kind.INSTANT, "2026-03-01T00:00:00Z"),
    Column("ending_at", Kind.INSTANT, None, help="When End was pressed."),
    Column("created_at", Kind.INSTANT, "2026-02-28T09:30:00Z"),
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
