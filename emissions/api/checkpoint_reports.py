"""Report endpoints on checkpoints and their payouts."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import ParticipantModel
from competitions.reporting import CompetitionQuery, finite_numbers
from core.paging import page_response
from core.requests import read_query
from core.rows import page_of_rows
from emissions import formats
from emissions.api.chosen import (
    NEWEST_FIRST,
    checkpoint_of,
    checkpoints_of,
    emission_of,
    latest_of,
)
from emissions.api.shapes import (
    CheckpointQuery,
    CheckpointRow,
    CliFormat,
    Emission,
    LatestEmission,
    LatestPrizeQuery,
    LatestPrizes,
    Payload,
    Prize,
    PrizeQuery,
    RewardQuery,
    RewardSerializer,
)
from emissions.models import Checkpoint


@extend_schema(parameters=[CheckpointQuery], responses=CheckpointRow(many=True))
@api_view(["GET"])
def checkpoints(request: Request) -> Response:
    """Return closed periods and their payouts, the newest first."""
    query = read_query(CheckpointQuery, request)
    page, following = page_of_rows(
        CheckpointRow,
        checkpoints_of(query, request.user),
        NEWEST_FIRST,
        limit=query["limit"],
        cursor=query.get("cursor"),
    )
    return page_response(request, page, following)


@extend_schema(parameters=[CompetitionQuery], responses=CheckpointRow)
@api_view(["GET"])
def latest(request: Request) -> Response:
    """Return the newest checkpoint."""
    checkpoint = latest_of(read_query(CompetitionQuery, request), request.user)
    return Response(CheckpointRow(checkpoint).data)


@extend_schema(parameters=[RewardQuery], responses=RewardSerializer(many=True))
@api_view(["GET"])
def rewards(request: Request) -> Response:
    """Return what each ranked model earned, ascending by period and rank."""
    query = read_query(RewardQuery, request)
    page, following = NEWEST_FIRST.page(
        checkpoints_of(query, request.user),
        limit=query["limit"],
        cursor=query.get("cursor"),
    )
    ensembles = set(
        ParticipantModel.objects.filter(
            is_virtual=True, competition__in={c.competition_id for c in page}
        ).values_list("model_id", flat=True)
    )
    wanted = query.get("model_id")
    rows = [
        row
        for checkpoint in page[::-1]
        for row in _reward_rows(checkpoint)
        if row["model_id"] not in ensembles and wanted in (None, row["model_id"])
    ]
    return page_response(request, rows, following)


def _reward_rows(checkpoint: Checkpoint) -> Iterator[dict[str, Any]]:
    of_period = {
        "checkpoint_id": str(checkpoint),
        "period_start": checkpoint.period_start,
        "period_end": checkpoint.period_end,
    }
    for place, share in _percent_by_place(checkpoint):
        yield {
            **finite_numbers(place.get("result_summary") or {}),
            **of_period,
            "model_id": place["model_id"],
            "model_name": place.get("model_name"),
            "rank": place.get("rank"),
            "reward_pct": share,
            "prediction_count": place.get("prediction_count"),
        }


def _percent_by_place(
    checkpoint: Checkpoint,
) -> list[tuple[dict[str, Any], float | None]]:
    shares = formats.model_shares(checkpoint)
    percent = formats.percentages([share or 0 for _, share in shares], decimals=4)
    return [
        (place, None if share is None else part)
        for (place, share), part in zip(shares, percent, strict=True)
    ]


@extend_schema(responses=Payload)
@api_view(["GET"])
def payload(request: Request, checkpoint_id: str) -> Response:
    """Return a checkpoint's period and emission."""
    return Response(Payload(checkpoint_of(checkpoint_id, request.user)).data)


@extend_schema(responses=Emission)
@api_view(["GET"])
def emission(request: Request, checkpoint_id: str) -> Response:
    """Return the protocol's EmissionCheckpoint, shares in billionths."""
    return Response(emission_of(checkpoint_of(checkpoint_id, request.user)))


@extend_schema(responses=CliFormat)
@api_view(["GET"])
def cli_format(request: Request, checkpoint_id: str) -> Response:
    """Return the shares as percentages by model, for the command line tool."""
    checkpoint = checkpoint_of(checkpoint_id, request.user)
    return Response(formats.cli_format(checkpoint, emission_of(checkpoint)))


@extend_schema(parameters=[PrizeQuery], responses=Prize(many=True))
@api_view(["GET"])
def prizes(request: Request, checkpoint_id: str) -> Response:
    """Split `total_prize` among the models by their shares; it adds up exactly."""
    query = read_query(PrizeQuery, request)
    checkpoint = checkpoint_of(checkpoint_id, request.user)
    return Response(formats.prizes(checkpoint, query["total_prize"]))


@extend_schema(parameters=[LatestPrizeQuery], responses=LatestPrizes)
@api_view(["GET"])
def latest_prizes(request: Request) -> Response:
    """Return the newest checkpoint and its prizes."""
    query = read_query(LatestPrizeQuery, request)
    checkpoint = latest_of(query, request.user)
    context = {"total_prize": query["total_prize"]}
    return Response(LatestPrizes(checkpoint, context=context).data)


@extend_schema(parameters=[CompetitionQuery], responses=LatestEmission)
@api_view(["GET"])
def latest_emission(request: Request) -> Response:
    """Return the newest checkpoint and its emission."""
    checkpoint = latest_of(read_query(CompetitionQuery, request), request.user)
    return Response(LatestEmission(checkpoint).data)
