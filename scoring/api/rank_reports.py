"""Report endpoints on a model's ranks over time, and why they changed."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.reporting import (
    CompetitionPageQuery,
    CompetitionQuery,
)
from competitions.wiring import wiring_of
from core import clock
from core.paging import Keyset, page_response
from core.requests import InstantField, read_instant, read_query
from core.rows import page_of_rows
from scoring.api.chosen_model import model_of
from scoring.board.rank_change import explain
from scoring.models import LeaderboardEntry, Snapshot


class RankRow(serializers.ModelSerializer[LeaderboardEntry]):
    as_of = serializers.DateTimeField(source="leaderboard.as_of")

    class Meta:
        model = LeaderboardEntry
        fields = ["as_of", "rank", "ranking_value", "prediction_count", "samples"]


class ChangeQuery(CompetitionQuery):
    since = InstantField(help_text="The earlier instant.")
    until = InstantField(required=False, help_text="Without it: now.")


class SnapshotPart(serializers.ModelSerializer[Snapshot]):
    class Meta:
        model = Snapshot
        fields = ["period_start", "period_end", "prediction_count", "value"]


class WindowChangeRow(serializers.Serializer[Any]):
    window = serializers.CharField()
    before = serializers.FloatField(allow_null=True)
    after = serializers.FloatField(allow_null=True)
    entered = SnapshotPart(many=True)
    left = SnapshotPart(many=True)


class RankChangeRow(serializers.Serializer[Any]):
    """Why a rank changed: per window, the snapshots that entered and left it."""

    rank_before = serializers.IntegerField(allow_null=True)
    rank_after = serializers.IntegerField(allow_null=True)
    windows = WindowChangeRow(many=True)
    overtaken_by = serializers.ListField(child=serializers.CharField())
    overtook = serializers.ListField(child=serializers.CharField())


@extend_schema(parameters=[CompetitionPageQuery], responses=RankRow(many=True))
@api_view(["GET"])
def rank_history(request: Request, model_id: str) -> Response:
    """Return a model's rank on each stored board, the newest first."""
    query = read_query(CompetitionPageQuery, request)
    model = model_of(query, model_id, request.user)
    page, following = page_of_rows(
        RankRow,
        LeaderboardEntry.objects.filter(model=model),
        Keyset("leaderboard__as_of", read_instant, descending=True),
        limit=query["limit"],
        cursor=query.get("cursor"),
    )
    return page_response(request, page, following)


@extend_schema(parameters=[ChangeQuery], responses=RankChangeRow)
@api_view(["GET"])
def rank_change(request: Request, model_id: str) -> Response:
    """Explain why a model's rank differs between two instants."""
    query = read_query(ChangeQuery, request)
    model = model_of(query, model_id, request.user)
    change = explain(
        competition=model.competition,
        wiring=wiring_of(model.competition),
        model=model,
        since=query["since"],
        until=query.get("until", clock.now()),
    )
    return Response(RankChangeRow(change).data)
