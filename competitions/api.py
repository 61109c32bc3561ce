"""Report endpoints on competitions and their participants."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import ParticipantModel
from competitions.report_schema import (
    ColumnSerializer,
    ReportSchema,
    Widget,
    report_schema,
)
from competitions.reporting import (
    CompetitionPageQuery,
    CompetitionQuery,
    chosen_competition,
)
from core.paging import Keyset, page_response, read_text
from core.requests import read_query


class ModelQuery(CompetitionPageQuery):
    limit = serializers.IntegerField(min_value=1, max_value=5000, default=1000)
    include_ensembles = serializers.BooleanField(default=False)


class ModelRow(serializers.ModelSerializer[ParticipantModel]):
    model_name = serializers.CharField(source="name")
    cruncher_name = serializers.CharField(source="cruncher.name", default=None)
    cruncher_id = serializers.CharField(source="cruncher.cruncher_id", default=None)

    class Meta:
        model = ParticipantModel
        fields = [
            "model_id",
            "model_name",
            "cruncher_name",
            "cruncher_id",
            "deployment_id",
        ]


@extend_schema(parameters=[ModelQuery], responses=ModelRow(many=True))
@api_view(["GET"])
def models(request: Request) -> Response:
    """List the models that take part, ordered by model id."""
    query = read_query(ModelQuery, request)
    competition = chosen_competition(query, request.user)
    if competition is None:
        return Response([])
    rows = ParticipantModel.objects.filter(competition=competition)
    if not query["include_ensembles"]:
        rows = rows.real()
    page, following = Keyset("model_id", read_text).page(
        rows.select_related("cruncher"),
        limit=query["limit"],
        cursor=query.get("cursor"),
    )
    return page_response(request, ModelRow(page, many=True).data, following)


@extend_schema(parameters=[CompetitionQuery], responses=ReportSchema)
@api_view(["GET"])
def schema(request: Request) -> Response:
    """Return the columns and widgets with which a user interface shows the reports."""
    return Response(_schema(request))


@extend_schema(parameters=[CompetitionQuery], responses=ColumnSerializer(many=True))
@api_view(["GET"])
def leaderboard_columns(request: Request) -> Response:
    """Return the leaderboard's columns, in order."""
    return Response(_schema(request)["leaderboard_columns"])


@extend_schema(parameters=[CompetitionQuery], responses=Widget(many=True))
@api_view(["GET"])
def metrics_widgets(request: Request) -> Response:
    """Return the charts of the metrics page, in order."""
    return Response(_schema(request)["metrics_widgets"])


def _schema(request: Request) -> dict[str, Any]:
    query = read_query(CompetitionQuery, request)
    return report_schema(chosen_competition(query, request.user))
