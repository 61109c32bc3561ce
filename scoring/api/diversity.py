"""Report endpoints on how different models are."""

from typing import Any

from django.db.models import OuterRef, Subquery
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition, ParticipantModel
from competitions.reporting import CompetitionQuery, finite_numbers, list_report
from competitions.wiring import wiring_of
from core.requests import read_query
from scoring.api.chosen_model import model_of
from scoring.diversity import feedback
from scoring.diversity.correlations import correlations
from scoring.models import LeaderboardEntry, Snapshot


class DiversityRow(serializers.Serializer[Any]):
    model_id = serializers.CharField()
    rank = serializers.IntegerField(allow_null=True)
    diversity_score = serializers.FloatField(allow_null=True)
    metrics = serializers.DictField(child=serializers.FloatField(allow_null=True))
    guidance = serializers.ListField(child=serializers.CharField())
    snapshot_period_end = serializers.DateTimeField()


class OverviewRow(serializers.Serializer[Any]):
    """A model's newest snapshot, with the figures of its diversity."""

    model_id = serializers.CharField()
    period_end = serializers.DateTimeField()
    diversity_score = serializers.FloatField(allow_null=True)


class OverviewQuery(CompetitionQuery):
    limit = serializers.IntegerField(
        min_value=1,
        max_value=1000,
        default=100,
        help_text="Number of models, from the top.",
    )


class CorrelationQuery(CompetitionQuery):
    limit = serializers.IntegerField(
        min_value=1,
        max_value=50,
        default=20,
        help_text="Number of models, from the best.",
    )


class CorrelationRow(serializers.Serializer[Any]):
    """Spearman's rho of a model's signals with those of each other model."""

    model_id = serializers.CharField()
    correlations = serializers.DictField(
        child=serializers.FloatField(allow_null=True), help_text="By model id."
    )
    rounds = serializers.IntegerField(help_text="Newest rounds that were compared.")


@extend_schema(parameters=[CompetitionQuery], responses=DiversityRow)
@api_view(["GET"])
def model_diversity(request: Request, model_id: str) -> Response:
    """Return how different a model is from the others, by its newest snapshot."""
    model = model_of(read_query(CompetitionQuery, request), model_id, request.user)
    found = feedback.feedback(model)
    if found is None:
        raise NotFound(f"{model_id} has no snapshot yet.", code="snapshot_not_found")
    rank = (
        LeaderboardEntry.objects.filter(model=model, leaderboard__is_newest=True)
        .values_list("rank", flat=True)
        .first()
    )
    return Response(
        {
            "model_id": model_id,
            "rank": rank,
            "diversity_score": found.score,
            "metrics": found.figures,
            "guidance": found.guidance,
            "snapshot_period_end": found.period_end,
        }
    )


@list_report(OverviewQuery, OverviewRow(many=True))
def diversity_overview(
    request: Request,  # noqa: ARG001  a report
    query: dict[str, Any],
    competition: Competition,
) -> Response:
    """Return diversity figures of all real models, the most diverse first."""
    # Each from the end of the unique index, so that history's length costs nothing.
    newest_of_model = (
        Snapshot.objects.current()
        .filter(model=OuterRef("pk"))
        .order_by("-period_start", "-period_end", "-revision")
        .values("pk")[:1]
    )
    models = ParticipantModel.objects.filter(competition=competition, is_virtual=False)
    newest = Snapshot.objects.filter(
        pk__in=models.values_list(Subquery(newest_of_model))
    ).select_related("model")
    rows = [_overview(snapshot) for snapshot in newest]
    return Response(sorted(rows, key=_most_diverse_first)[: query["limit"]])


def _overview(snapshot: Snapshot) -> dict[str, Any]:
    # An operator's `aggregate_snapshot` may have put a text under any of the names.
    figures = finite_numbers(snapshot.result_summary)
    return {
        "model_id": snapshot.model.model_id,
        "period_end": snapshot.period_end,
        **{name: figures.get(name) for name in feedback.METRICS},
        "diversity_score": feedback.diversity_score(figures),
    }


def _most_diverse_first(row: dict[str, Any]) -> tuple[bool, float, str]:
    score = row["diversity_score"]
    return score is None, -(score or 0.0), row["model_id"]


@list_report(CorrelationQuery, CorrelationRow(many=True))
def pairwise_correlations(
    request: Request,  # noqa: ARG001  a report
    query: dict[str, Any],
    competition: Competition,
) -> Response:
    """Return pairwise correlations of the best models, in the order of the board."""
    found = correlations(
        competition=competition, wiring=wiring_of(competition), limit=query["limit"]
    )
    ids = [model.model_id for model in found.models]
    return Response(
        [
            {
                "model_id": ids[i],
                "correlations": dict(zip(ids, row, strict=True)),
                "rounds": found.rounds,
            }
            for i, row in enumerate(found.matrix)
        ]
    )
