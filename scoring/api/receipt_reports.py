"""Report endpoints on receipts: proofs that answers are in the log."""

from datetime import datetime, time, timedelta
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition, Prediction
from competitions.reporting import CompetitionPageQuery
from core.clock import as_utc
from core.paging import LARGEST_INT, Keyset, page_response
from core.requests import DayField, read_instant, read_query
from proofs.errors import LogProofError
from scoring.api.chosen_model import model_of
from scoring.receipts import Receipt, receipts_of


class OpenedAnswer(serializers.Serializer[Any]):
    answer = serializers.CharField(help_text="Exact JSON; its hash is committed to.")
    nonce = serializers.CharField(help_text="32 bytes in hex.")


class ReceiptRow(serializers.Serializer[Any]):
    prediction_id = serializers.IntegerField(source="prediction.pk")
    model_id = serializers.CharField(source="prediction.model.model_id")
    round_id = serializers.IntegerField(source="prediction.round_id")
    slot_at = serializers.DateTimeField(source="prediction.round.slot_at")
    resolvable_at = serializers.DateTimeField(
        source="prediction.round.resolvable_at",
        allow_null=True,
        help_text="When its truth could be known.",
    )
    index = serializers.IntegerField(
        allow_null=True, help_text="Of the round's entry in the log."
    )
    size = serializers.IntegerField(
        source="head.size",
        default=None,
        allow_null=True,
        help_text="Of the log at the first signed head that covers the entry.",
    )
    signed_at = serializers.DateTimeField(
        source="head.signed_at", default=None, allow_null=True
    )
    problem = serializers.CharField(help_text="Why there is no proof; else empty.")
    opened = OpenedAnswer(
        allow_null=True,
        help_text="The answer: for its owner and operators; for everybody once the"
        " round has ended.",
    )
    proof = serializers.CharField(help_text="A file `.tlog-proof`; else empty.")


class ReceiptQuery(CompetitionPageQuery):
    day = DayField(help_text="Of the slots, in UTC.")
    limit = serializers.IntegerField(min_value=1, max_value=200, default=100)


@extend_schema(responses=ReceiptRow)
@api_view(["GET"])
def receipt(request: Request, prediction_id: str) -> Response:
    """Return the proof that an answer was in the log, and the answer if it is open."""
    found = _receipt(request, prediction_id)
    return Response(ReceiptRow(found).data)


@extend_schema(responses={(200, "text/plain"): str})
@api_view(["GET"])
def receipt_file(request: Request, prediction_id: str) -> HttpResponse:
    """Return the proof alone, as the file that other people's tools read."""
    found = _receipt(request, prediction_id)
    if found.problem:
        raise LogProofError(f"prediction {prediction_id}: {found.problem}.")
    response = HttpResponse(found.proof, content_type="text/plain; charset=utf-8")
    name = f"prediction-{prediction_id}.tlog-proof"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@extend_schema(parameters=[ReceiptQuery], responses=ReceiptRow(many=True))
@api_view(["GET"])
def model_receipts(request: Request, model_id: str) -> Response:
    """Return the receipts of a model's answers of one day, the newest first."""
    query = read_query(ReceiptQuery, request)
    model = model_of(query, model_id, request.user)
    start = as_utc(datetime.combine(query["day"], time()))
    rows = Prediction.objects.filter(model=model).between(
        start, start + timedelta(days=1)
    )
    page, following = Keyset("round__slot_at", read_instant, descending=True).page(
        rows.select_related("round", "model"),
        limit=query["limit"],
        cursor=query.get("cursor"),
    )
    data = ReceiptRow(receipts_of(page, request.user), many=True).data
    return page_response(request, data, following)


def _receipt(request: Request, prediction_id: str) -> Receipt:
    seen = Competition.objects.seen_by(request.user).order_by().values("pk")
    prediction = (
        Prediction.objects.filter(
            pk=min(int(prediction_id), LARGEST_INT), round__competition__in=seen
        )
        .select_related("round", "model")
        .first()
    )
    if prediction is None:
        raise NotFound(
            f"prediction was {prediction_id}; there is none with that id.",
            code="prediction_not_found",
        )
    return receipts_of([prediction], request.user)[0]
