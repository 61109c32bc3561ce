"""Report endpoints on boards and snapshots."""

from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition
from competitions.reporting import CompetitionPageQuery, finite_numbers, list_report
from core.paging import Keyset, page_response, read_int
from core.requests import IdField, InstantField, read_instant
from core.rows import PrefixedKey, page_of_rows
from scoring.api.kept_board import keeps_board, version_of_board
from scoring.board.ranking import RankingFigure
from scoring.models import LeaderboardEntry, Snapshot


class BoardQuery(CompetitionPageQuery):
    limit = serializers.IntegerField(min_value=1, max_value=5000, default=1000)
    include_ensembles = serializers.BooleanField(default=False)


@extend_schema_serializer(component_name="Ranking")
class RankingField(serializers.Serializer[Any]):
    key = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    direction = serializers.ChoiceField(["asc", "desc"])


class BoardRow(serializers.ModelSerializer[LeaderboardEntry]):
    """A ranked model; its metrics stand at the top level too, under their names."""

    created_at = serializers.DateTimeField(source="leaderboard.created_at")
    model_id = serializers.CharField(source="model.model_id")
    score_metrics = serializers.DictField(
        source="metrics", child=serializers.FloatField(allow_null=True)
    )
    score_ranking = serializers.SerializerMethodField()
    rank = serializers.IntegerField(allow_null=True)
    model_name = serializers.CharField(source="model.name")
    cruncher_name = serializers.CharField(source="model.cruncher.name", default=None)
    excluded_at = serializers.DateTimeField(
        source="model.excluded_at",
        allow_null=True,
        help_text="Since when the model is out of ranking and pay; `rank` is `null`.",
    )
    exclusion_reason = serializers.CharField(source="model.exclusion_reason")

    class Meta:
        model = LeaderboardEntry
        fields = [
            "created_at",
            "model_id",
            "score_metrics",
            "score_ranking",
            "rank",
            "model_name",
            "cruncher_name",
            "excluded_at",
            "exclusion_reason",
        ]

    @extend_schema_field(RankingField)
    def get_score_ranking(self, entry: LeaderboardEntry) -> RankingFigure:
        board = entry.leaderboard
        return RankingFigure(
            key=board.ranking_key,
            value=entry.ranking_value,
            direction=board.ranking_direction,
        )

    def to_representation(self, instance: LeaderboardEntry) -> dict[str, Any]:
        row = super().to_representation(instance)
        return {**finite_numbers(instance.metrics), **row}


class RankedWithEnsemblesRow(BoardRow):
    """A row of a board with ensembles, which have a place but no rank."""

    overall_rank = serializers.IntegerField(source="position")

    class Meta(BoardRow.Meta):
        fields = [*BoardRow.Meta.fields, "overall_rank"]


class SnapshotQuery(CompetitionPageQuery):
    model_id = IdField(required=False)
    since = InstantField(
        required=False, help_text="Periods that end after this instant."
    )
    until = InstantField(
        required=False, help_text="Periods that start before this instant."
    )


class SnapshotRow(serializers.ModelSerializer[Snapshot]):
    id = PrefixedKey(prefix="SNAP_", read_only=True)
    model_id = serializers.CharField(source="model.model_id")
    result_summary = serializers.DictField()

    class Meta:
        model = Snapshot
        fields = [
            "id",
            "model_id",
            "period_start",
            "period_end",
            "prediction_count",
            "result_summary",
            "created_at",
        ]


@keeps_board
@list_report(BoardQuery, BoardRow(many=True))
def leaderboard(
    request: Request, query: dict[str, Any], competition: Competition
) -> Response:
    """Return the newest board, best first; empty before the first scores."""
    version = version_of_board(
        competition.pk
    )  # first, so that rows may be newer, not older
    entries = LeaderboardEntry.objects.filter(
        leaderboard__competition=competition, leaderboard__is_newest=True
    )
    if not query["include_ensembles"]:
        entries = entries.filter(model__is_virtual=False)
    page, following = Keyset("position", read_int).page(
        entries.select_related("leaderboard", "model__cruncher"),
        limit=query["limit"],
        cursor=query.get("cursor"),
    )
    row = RankedWithEnsemblesRow if query["include_ensembles"] else BoardRow
    response = page_response(request, row(page, many=True).data, following)
    response.rests_on = competition.pk, version  # type: ignore[attr-defined]
    return response


@list_report(SnapshotQuery, SnapshotRow(many=True))
def snapshots(
    request: Request, query: dict[str, Any], competition: Competition
) -> Response:
    """Return the snapshots of each model and period, the newest period first."""
    rows = Snapshot.objects.current().filter(model__competition=competition)
    if "model_id" in query:
        rows = rows.filter(model__model_id=query["model_id"])
    if "since" in query:
        rows = rows.filter(period_end__gt=query["since"])
    if "until" in query:
        rows = rows.filter(period_start__lt=query["until"])
    page, following = page_of_rows(
        SnapshotRow,
        rows,
        Keyset("period_end", read_instant, descending=True),
        limit=query["limit"],
        cursor=query.get("cursor"),
    )
    return page_response(request, page, following)
