"""The report endpoint on ensembles."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition
from competitions.reporting import (
    CompetitionQuery,
    finite_numbers,
    list_report,
)
from core.requests import IdField, InstantField
from scoring.models import Snapshot
from scoring.snapshots.ensembles import ensemble_name, model_id_of


class EnsembleRow(serializers.Serializer[Any]):
    """An ensemble's snapshot; its numbers are at the top level, under their names."""

    ensemble_name = serializers.CharField()
    model_id = serializers.CharField()
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()
    prediction_count = serializers.IntegerField()


class EnsembleQuery(CompetitionQuery):
    ensemble_name = IdField(required=False)
    since = InstantField(required=False)
    until = InstantField(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=500, default=100)


@list_report(EnsembleQuery, EnsembleRow(many=True))
def ensemble_history(
    request: Request,  # noqa: ARG001  a report
    query: dict[str, Any],
    competition: Competition,
) -> Response:
    """Return the newest snapshots of the ensembles, ascending by time."""
    rows = Snapshot.objects.current().filter(
        model__competition=competition, model__is_virtual=True
    )
    if "ensemble_name" in query:
        rows = rows.filter(model__model_id=model_id_of(query["ensemble_name"]))
    if "since" in query:
        rows = rows.filter(period_end__gt=query["since"])
    if "until" in query:
        rows = rows.filter(period_start__lt=query["until"])
    newest = rows.select_related("model").order_by("-period_end", "-pk")
    return Response(
        [
            {
                **finite_numbers(snapshot.result_summary),
                "ensemble_name": ensemble_name(snapshot.model.model_id),
                "model_id": snapshot.model.model_id,
                "period_start": snapshot.period_start,
                "period_end": snapshot.period_end,
                "prediction_count": snapshot.prediction_count,
            }
            for snapshot in reversed(newest[: query["limit"]])
        ]
    )
