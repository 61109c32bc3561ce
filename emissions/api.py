"""Report endpoints on checkpoints and what they pay, and an operator's two writes."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin.models import CHANGE
from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition, ParticipantModel
from competitions.reporting import (
    CompetitionPageQuery,
    CompetitionQuery,
    chosen_competition,
    numbers,
    refuse_beyond,
)
from core import audit
from core.paging import LARGEST_INT, Keyset, page_response
from core.permissions import writes
from core.requests import IdField, read_body, read_instant, read_query
from emissions import formats, transitions
from emissions.models import LONGEST_TX_HASH, MAY_PAY, Checkpoint, is_tx_hash

NEWEST_FIRST = Keyset("period_end", read_instant, descending=True)


class CheckpointQuery(CompetitionPageQuery):
    status = serializers.ChoiceField(Checkpoint.Status.choices, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)


class RewardQuery(CompetitionPageQuery):
    model_id = IdField(required=False)
    limit = serializers.IntegerField(
        min_value=1, max_value=100, default=20, help_text="Checkpoints, not rows."
    )


class PrizeQuery(serializers.Serializer[Any]):
    total_prize = serializers.IntegerField(
        min_value=0, max_value=LARGEST_INT, default=0
    )


class LatestPrizeQuery(CompetitionQuery, PrizeQuery):
    pass


class CruncherReward(serializers.Serializer[Any]):
    cruncher_index = serializers.IntegerField()
    reward_pct = serializers.IntegerField(help_text="1 000 000 000 = 100 %.")


class ProviderReward(serializers.Serializer[Any]):
    provider = serializers.CharField()
    reward_pct = serializers.IntegerField(help_text="1 000 000 000 = 100 %.")


class Emission(serializers.Serializer[Any]):
    crunch = serializers.CharField()
    cruncher_rewards = CruncherReward(many=True)
    compute_provider_rewards = ProviderReward(many=True)
    data_provider_rewards = ProviderReward(many=True)


class CheckpointRow(serializers.ModelSerializer[Checkpoint]):
    id = serializers.CharField(source="__str__")
    entries = Emission(many=True)
    meta = serializers.DictField()

    class Meta:
        model = Checkpoint
        fields = [
            "id",
            "period_start",
            "period_end",
            "status",
            "entries",
            "meta",
            "created_at",
            "tx_hash",
            "submitted_at",
        ]


class Payload(serializers.ModelSerializer[Checkpoint]):
    checkpoint_id = serializers.CharField(source="__str__")
    entries = Emission(many=True)

    class Meta:
        model = Checkpoint
        fields = ["checkpoint_id", "period_start", "period_end", "entries"]


class LatestEmission(serializers.ModelSerializer[Checkpoint]):
    checkpoint_id = serializers.CharField(source="__str__")
    emission = serializers.SerializerMethodField()

    class Meta:
        model = Checkpoint
        fields = ["checkpoint_id", "status", "period_start", "period_end", "emission"]

    @extend_schema_field(Emission)
    def get_emission(self, checkpoint: Checkpoint) -> dict[str, Any]:
        return _emission(checkpoint)


class CliFormat(serializers.Serializer[Any]):
    crunch = serializers.CharField()
    crunchEmission = serializers.DictField(  # noqa: N815  the protocol's spelling
        child=serializers.FloatField(), help_text="Model id to percent."
    )
    computeProvider = serializers.DictField(child=serializers.FloatField())  # noqa: N815
    dataProvider = serializers.DictField(child=serializers.FloatField())  # noqa: N815


class Prize(serializers.Serializer[Any]):
    prizeId = serializers.CharField()  # noqa: N815  the protocol's spelling
    timestamp = serializers.IntegerField(help_text="End of the period, epoch seconds.")
    model = serializers.CharField()
    prize = serializers.IntegerField()


class LatestPrizes(serializers.ModelSerializer[Checkpoint]):
    checkpoint_id = serializers.CharField(source="__str__")
    total_prize = serializers.SerializerMethodField()
    prizes = serializers.SerializerMethodField()

    class Meta:
        model = Checkpoint
        fields = [
            "checkpoint_id",
            "status",
            "period_start",
            "period_end",
            "total_prize",
            "prizes",
        ]

    def get_total_prize(self, checkpoint: Checkpoint) -> int:
        return self.context["total_prize"]

    @extend_schema_field(Prize(many=True))
    def get_prizes(self, checkpoint: Checkpoint) -> list[dict[str, Any]]:
        return formats.prizes(checkpoint, self.context["total_prize"])


class Reward(serializers.Serializer[Any]):
    """What a ranked model earned; its summary's numbers stand beside."""

    checkpoint_id = serializers.CharField()
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()
    model_id = serializers.CharField()
    model_name = serializers.CharField(allow_null=True)
    rank = serializers.IntegerField(allow_null=True)
    reward_pct = serializers.FloatField(allow_null=True, help_text="Percent.")
    prediction_count = serializers.IntegerField(allow_null=True)


class Confirmation(serializers.Serializer[Any]):
    tx_hash = serializers.CharField(max_length=LONGEST_TX_HASH, validators=[is_tx_hash])


class TransactionCorrection(Confirmation):
    reason = serializers.CharField(
        max_length=300, help_text="Kept in the trail, for whoever reads it next."
    )


class StatusChange(serializers.Serializer[Any]):
    status = serializers.ChoiceField(
        Checkpoint.Status.choices,
        error_messages={
            "invalid_choice": "was {input!r}; it is one of "
            f"{', '.join(Checkpoint.Status.values)}."
        },
    )


@extend_schema(parameters=[CheckpointQuery], responses=CheckpointRow(many=True))
@api_view(["GET"])
def checkpoints(request: Request) -> Response:
    """Closed periods and what they pay, newest first."""
    page, following = _page(read_query(CheckpointQuery, request), request.user)
    return page_response(request, CheckpointRow(page, many=True).data, following)


@extend_schema(parameters=[CompetitionQuery], responses=CheckpointRow)
@api_view(["GET"])
def latest(request: Request) -> Response:
    """The newest checkpoint."""
    checkpoint = _latest(read_query(CompetitionQuery, request), request.user)
    return Response(CheckpointRow(checkpoint).data)


@extend_schema(parameters=[RewardQuery], responses=Reward(many=True))
@api_view(["GET"])
def rewards(request: Request) -> Response:
    """What each ranked model earned, ascending by period and rank."""
    query = read_query(RewardQuery, request)
    page, following = _page(query, request.user)
    ensembles = set(
        ParticipantModel.objects.filter(
            is_virtual=True, competition__in={c.competition_id for c in page}
        ).values_list("model_id", flat=True)
    )
    instant = serializers.DateTimeField().to_representation
    rows = [
        {
            **numbers(place.get("result_summary") or {}),
            "checkpoint_id": str(checkpoint),
            "period_start": instant(checkpoint.period_start),
            "period_end": instant(checkpoint.period_end),
            "model_id": place["model_id"],
            "model_name": place.get("model_name"),
            "rank": place.get("rank"),
            "reward_pct": share,
            "prediction_count": place.get("prediction_count"),
        }
        for checkpoint in page[::-1]
        for place, share in _percent_by_place(checkpoint)
        if place["model_id"] not in ensembles
        and query.get("model_id", place["model_id"]) == place["model_id"]
    ]
    return page_response(request, rows, following)


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
    """Period and emission, as they were closed."""
    return Response(Payload(_checkpoint(checkpoint_id, request.user)).data)


@extend_schema(responses=Emission)
@api_view(["GET"])
def emission(request: Request, checkpoint_id: str) -> Response:
    """The protocol's EmissionCheckpoint, shares in billionths."""
    return Response(_emission(_checkpoint(checkpoint_id, request.user)))


@extend_schema(responses=CliFormat)
@api_view(["GET"])
def cli_format(request: Request, checkpoint_id: str) -> Response:
    """The same shares as percentages, keyed by model, for the command line tool."""
    checkpoint = _checkpoint(checkpoint_id, request.user)
    return Response(formats.cli_format(checkpoint, _emission(checkpoint)))


@extend_schema(parameters=[PrizeQuery], responses=Prize(many=True))
@api_view(["GET"])
def prizes(request: Request, checkpoint_id: str) -> Response:
    """`total_prize` split among the models by their shares; it adds up exactly."""
    query = read_query(PrizeQuery, request)
    checkpoint = _checkpoint(checkpoint_id, request.user)
    return Response(formats.prizes(checkpoint, query["total_prize"]))


@extend_schema(parameters=[LatestPrizeQuery], responses=LatestPrizes)
@api_view(["GET"])
def latest_prizes(request: Request) -> Response:
    """The newest checkpoint's prizes, with its context."""
    query = read_query(LatestPrizeQuery, request)
    checkpoint = _latest(query, request.user)
    context = {"total_prize": query["total_prize"]}
    return Response(LatestPrizes(checkpoint, context=context).data)


@extend_schema(parameters=[CompetitionQuery], responses=LatestEmission)
@api_view(["GET"])
def latest_emission(request: Request) -> Response:
    """The newest emission, with its checkpoint's context."""
    checkpoint = _latest(read_query(CompetitionQuery, request), request.user)
    return Response(LatestEmission(checkpoint).data)


@extend_schema(request=Confirmation, responses=CheckpointRow)
@writes(MAY_PAY)
@api_view(["POST"])
def confirm(request: Request, checkpoint_id: str) -> Response:
    """Store the transaction and move PENDING to SUBMITTED."""
    checkpoint = _checkpoint(checkpoint_id, request.user)
    tx_hash = read_body(Confirmation, request)["tx_hash"]
    return _step(
        request,
        lambda: transitions.confirm(checkpoint_id=checkpoint.pk, tx_hash=tx_hash),
        what=f"PENDING to SUBMITTED with transaction {tx_hash}.",
    )


@extend_schema(request=TransactionCorrection, responses=CheckpointRow)
@writes(MAY_PAY)
@api_view(["POST"])
def correct_transaction(request: Request, checkpoint_id: str) -> Response:
    """Replace a wrong transaction hash; the status stays, the trail says why."""
    checkpoint = _checkpoint(checkpoint_id, request.user)
    asked = read_body(TransactionCorrection, request)
    corrected = transitions.correct_transaction(
        checkpoint_id=checkpoint.pk, user=request.user, **asked
    )
    return Response(CheckpointRow(corrected).data)


@extend_schema(request=StatusChange, responses=CheckpointRow)
@writes(MAY_PAY)
@api_view(["PATCH"])
def status(request: Request, checkpoint_id: str) -> Response:
    """Move one legal step on."""
    checkpoint = _checkpoint(checkpoint_id, request.user)
    to = read_body(StatusChange, request)["status"]
    return _step(
        request,
        lambda: transitions.advance(checkpoint_id=checkpoint.pk, to=to),
        what=f"{checkpoint.status} to {to}.",
    )


def _step(request: Request, step: Callable[[], Checkpoint], *, what: str) -> Response:
    with transaction.atomic():  # no step without its trail
        checkpoint = step()
        audit.note(request.user, [checkpoint], flag=CHANGE, what=what)
    return Response(CheckpointRow(checkpoint).data)


def _page(query: dict[str, Any], user: Any) -> tuple[list[Checkpoint], str | None]:
    competition = chosen_competition(query, user)
    if competition is None:
        return [], None
    rows = Checkpoint.objects.filter(competition=competition)
    if "status" in query:
        rows = rows.filter(status=query["status"])
    return NEWEST_FIRST.page(rows, limit=query["limit"], cursor=query.get("cursor"))


def _latest(query: dict[str, Any], user: Any) -> Checkpoint:
    competition: Competition | None = chosen_competition(query, user)
    checkpoint = Checkpoint.objects.filter(competition=competition).first()
    if checkpoint is None:
        raise NotFound("No checkpoints found", code="checkpoint_not_found")
    return checkpoint


def _checkpoint(checkpoint_id: str, user: Any) -> Checkpoint:
    number = checkpoint_id.removeprefix("CKP_")
    is_number = number.isascii() and number.isdecimal() and len(number) < 19
    found = Checkpoint.objects.filter(pk=int(number) if is_number else -1)
    checkpoint = found.filter(competition__in=Competition.objects.seen_by(user)).first()
    if checkpoint is None:
        refuse_beyond(user, Competition.objects.filter(checkpoints__in=found))
        raise NotFound(
            f"Checkpoint {checkpoint_id} not found", code="checkpoint_not_found"
        )
    return checkpoint


def _emission(checkpoint: Checkpoint) -> dict[str, Any]:
    if not checkpoint.entries:
        raise NotFound(
            f"Checkpoint {checkpoint} has no emission", code="emission_not_found"
        )
    return checkpoint.entries[0]
