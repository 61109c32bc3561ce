"""Report endpoints on competitions and their participants."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import ParticipantModel, Round
from competitions.package_rules import rules_digest
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
from competitions.site_rules import rules_on_site
from competitions.timing_report import stage_latencies
from core.paging import Keyset, page_response, read_text
from core.requests import read_query
from core.rows import page_of_rows

SAMPLES = 10  # rounds that /timing-metrics shows as they are


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
            "excluded_at",
            "exclusion_reason",
        ]


class TimingQuery(CompetitionQuery):
    limit = serializers.IntegerField(
        min_value=1, max_value=10_000, default=1000, help_text="The newest so many."
    )


@extend_schema_field(
    {"oneOf": [{"type": "integer"}, {"type": "string", "enum": ["total"]}]}
)
class StepField(serializers.JSONField):
    """The number of a stage, or `total`."""


class Stage(serializers.Serializer[Any]):
    """A stage of rounds, in microseconds; null where nothing was measured."""

    name = serializers.CharField()
    step = StepField(help_text="1 to 9, or `total`.")
    pct_of_total = serializers.FloatField(allow_null=True)
    count = serializers.IntegerField()
    mean_us = serializers.FloatField(allow_null=True)
    median_us = serializers.FloatField(allow_null=True)
    min_us = serializers.FloatField(allow_null=True)
    max_us = serializers.FloatField(allow_null=True)
    p95_us = serializers.FloatField(allow_null=True)
    p99_us = serializers.FloatField(allow_null=True)


class PackageRules(serializers.Serializer[Any]):
    """The rules that a participant's package needs, and the SHA-256 of them."""

    digest = serializers.CharField()
    rules = serializers.DictField()


class TimedRound(serializers.ModelSerializer[Round]):
    """A round's durations in microseconds, under the names that they are stored by."""

    timing = serializers.DictField(child=serializers.FloatField())

    class Meta:
        model = Round
        fields = ["id", "scope_key", "slot_at", "performed_at", "timing"]


class TimingMetrics(serializers.Serializer[Any]):
    enabled = serializers.BooleanField()
    buffer_size = serializers.IntegerField(help_text="Rounds looked at, at most.")
    total_records = serializers.IntegerField(help_text="Those that were timed.")
    stage_latencies = Stage(many=True)
    recent_samples = TimedRound(many=True)


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
    page, following = page_of_rows(
        ModelRow,
        rows,
        Keyset("model_id", read_text),
        limit=query["limit"],
        cursor=query.get("cursor"),
    )
    return page_response(request, page, following)


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


@extend_schema(parameters=[CompetitionQuery], responses=PackageRules)
@api_view(["GET"])
def package_rules(request: Request) -> Response:
    """Return the rules that a participant's package needs for a backtest.

    A package whose `rules.json` has other ones is older, and its backtest differs.
    """
    query = read_query(CompetitionQuery, request)
    competition = chosen_competition(query, request.user)
    if competition is None:
        raise NotFound("there is no competition yet.", code="competition_not_found")
    rules = rules_on_site(competition)
    return Response({"digest": rules_digest(rules), "rules": rules})


@extend_schema(parameters=[TimingQuery], responses=TimingMetrics)
@api_view(["GET"])
def timing_metrics(request: Request) -> Response:
    """Return where the time of a competition's newest rounds went, stage by stage."""
    query = read_query(TimingQuery, request)
    competition = chosen_competition(query, request.user)
    rows = Round.objects.filter(competition=competition).order_by("-slot_at", "-pk")
    timed = [
        round_
        for round_ in rows.only("scope_key", "slot_at", "performed_at", "timing")[
            : query["limit"]
        ]
        if round_.timing
    ]
    return Response(
        {
            "enabled": True,
            "buffer_size": query["limit"],
            "total_records": len(timed),
            "stage_latencies": stage_latencies(r.timing for r in timed),
            "recent_samples": TimedRound(timed[:SAMPLES], many=True).data,
        }
    )


def _schema(request: Request) -> dict[str, Any]:
    query = read_query(CompetitionQuery, request)
    return report_schema(chosen_competition(query, request.user))
