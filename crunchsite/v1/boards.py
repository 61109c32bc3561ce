"""Leaderboards: the newest, those that are kept, and what stands on one."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from competitions.models import Competition
from core.paging import Keyset, read_int
from core.requests import IdListField, InstantField, read_instant
from crunchsite.v1.columns import Column, Kind
from crunchsite.v1.filters import Filters, reads
from crunchsite.v1.lists import CompetitionListView
from crunchsite.v1.queries import CompetitionFieldsQuery, CompetitionListQuery
from crunchsite.v1.schema import BOARDS, list_operation
from scoring.models import Leaderboard, LeaderboardEntry

KEPT = (
    Column("id", Kind.INTEGER),
    Column("as_of", Kind.INSTANT),
    Column("is_newest", Kind.BOOLEAN),
    Column("ranking_key", Kind.TEXT),
    Column("ranking_direction", Kind.TEXT),
    Column(
        "figures",
        Kind.JSON,
        help="What each figure covers.",
    ),
    Column("created_at", Kind.INSTANT),
)
LINES = (
    Column("rank", Kind.INTEGER, help="`null` for an ensemble or an excluded model."),
    Column("position", Kind.INTEGER, help="Order on the board."),
    Column("model_id", Kind.TEXT, "model__model_id"),
    Column("model_name", Kind.TEXT, "model__name"),
    Column("cruncher_name", Kind.TEXT, "model__cruncher__name"),
    Column("is_virtual", Kind.BOOLEAN, "model__is_virtual"),
    Column("excluded_at", Kind.INSTANT, "model__excluded_at"),
    Column(
        "exclusion_reason",
        Kind.TEXT,
        "model__exclusion_reason",
        help="Why the model is out of ranking and pay now; empty if it is not.",
    ),
    Column("ranking_value", Kind.NUMBER),
    Column("metrics", Kind.JSON),
    Column("samples", Kind.JSON),
    Column("prediction_count", Kind.INTEGER),
    Column("as_of", Kind.INSTANT, "leaderboard__as_of"),
)


class BoardListFilters(Filters):
    since = reads(InstantField(help_text="`as_of` from here on."), "as_of", "gte")
    until = reads(InstantField(help_text="`as_of` before this."), "as_of", "lt")


@list_operation(BOARDS, "BoardItem", "List the boards that are kept")
class BoardList(CompetitionListView):
    """The newest board, then the last one of each hour before."""

    queryset = Leaderboard.objects.all()
    columns = KEPT
    order = Keyset("as_of", read_instant, descending=True)
    filterset_class = BoardListFilters


class BoardOfQuery(CompetitionFieldsQuery):
    as_of = InstantField(
        required=False,
        help_text="The last kept board from before this: that of its hour, or of the "
        "hour before. Without it: the newest.",
    )


class BoardLineQuery(BoardOfQuery, CompetitionListQuery):
    include_ensembles = serializers.BooleanField(default=False)


class BoardLineFilters(Filters):
    model_id = reads(IdListField(), "model__model_id", "in")


@list_operation(BOARDS, "BoardLine", "Read a leaderboard")
class BoardLineList(CompetitionListView):
    """The models of one board, best first; empty before the first scores."""

    queryset = LeaderboardEntry.objects.all()
    columns = LINES
    order = Keyset("position", read_int)
    query_class = BoardLineQuery
    filterset_class = BoardLineFilters

    def rows_of(self, competition: Competition, query: dict[str, Any]) -> QuerySet[Any]:
        boards = Leaderboard.objects.filter(competition=competition)
        if "as_of" in query:
            kept = boards.filter(as_of__lt=query["as_of"]).order_by("-as_of", "-pk")
            rows = self.get_queryset().filter(leaderboard__in=kept.values("pk")[:1])
        else:
            rows = self.get_queryset().filter(
                leaderboard__in=boards.filter(is_newest=True)
            )
        if not query.get("include_ensembles", True):
            rows = rows.filter(model__is_virtual=False)
        return rows
