"""Acts on payouts: a checkpoint disputed, a dispute answered, a share moved."""

from typing import Any

from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition
from competitions.reporting import refuse_beyond
from core.acts import may
from core.requests import read_body, read_id
from crunchsite.v1.acts.act import PAYOUTS, ActView, posts
from crunchsite.v1.acts.local_models import OwnOrPermitted
from emissions.api.chosen import checkpoint_of
from emissions.disputes import answer_dispute, open_dispute
from emissions.frac64 import WHOLE
from emissions.ledger import adjust
from emissions.models import (
    LONGEST_WHY,
    MAY_DISPUTE,
    MAY_PAY,
    Dispute,
    PayoutEntry,
)


class Objection(serializers.Serializer[Any]):
    """What is wrong with a checkpoint; everybody reads it."""

    reason = serializers.CharField(max_length=LONGEST_WHY)


class DisputeAnswer(serializers.Serializer[Any]):
    """Whether a dispute is upheld, and why; everybody reads it."""

    is_upheld = serializers.BooleanField()
    answer = serializers.CharField(max_length=LONGEST_WHY)


class DisputeRow(serializers.ModelSerializer[Dispute]):
    """A dispute, its state and its answer."""

    class Meta:
        model = Dispute
        fields = [
            *("id", "checkpoint_id", "state", "reason", "answer", "created_at"),
            "answered_at",
        ]


class ShareMove(serializers.Serializer[Any]):
    """A part of what a checkpoint pays, and whose it is to be."""

    from_index = serializers.IntegerField(min_value=0, max_value=2**31 - 1)
    to_index = serializers.IntegerField(min_value=0, max_value=2**31 - 1)
    amount = serializers.IntegerField(
        min_value=1, max_value=WHOLE, help_text="1 000 000 000 is the whole."
    )
    reason = serializers.CharField(max_length=LONGEST_WHY)


class LedgerLine(serializers.ModelSerializer[PayoutEntry]):
    """A line of the ledger."""

    class Meta:
        model = PayoutEntry
        fields = [
            *("id", "checkpoint_id", "cruncher_index", "kind", "amount", "reason"),
            "created_at",
        ]


class Moved(serializers.Serializer[Any]):
    """The two lines that were added."""

    lines = LedgerLine(many=True)


@extend_schema_view(
    post=posts(
        PAYOUTS,
        Objection,
        DisputeRow,
        status=201,
        asked={"reason": "m2 answered each round too"},
    )
)
class DisputeCheckpoint(ActView):
    """Object to a pending checkpoint, before its challenge window ends.

    Operators may, finance, and each participant of the competition with a key.
    """

    permission_classes = [OwnOrPermitted]
    write_permission = MAY_DISPUTE

    def act(self, request: Request, checkpoint_id: str) -> Response:
        checkpoint = checkpoint_of(checkpoint_id, request.user)
        _refuse_readers(request.user)
        reason = read_body(Objection, request)["reason"]
        dispute = open_dispute(
            checkpoint_id=checkpoint.pk, reason=reason, user=request.user
        )
        return Response(DisputeRow(dispute).data, 201)


def _refuse_readers(user: Any) -> None:
    """Refuse a cruncher's key without the scope; it reaches no other competition."""
    cruncher_id = getattr(user, "cruncher_id", None)
    if cruncher_id is not None and not may(user, MAY_DISPUTE, cruncher_id=cruncher_id):
        raise PermissionDenied(
            f"This key's scopes do not permit {MAY_DISPUTE}.", code="scope_insufficient"
        )


@extend_schema_view(
    post=posts(
        PAYOUTS,
        DisputeAnswer,
        DisputeRow,
        asked={"is_upheld": False, "answer": "its answers came late"},
    )
)
class AnswerDispute(ActView):
    """Uphold or reject a dispute; what an upheld one changes is moved in the ledger."""

    write_permission = MAY_PAY

    def act(self, request: Request, dispute_id: str) -> Response:
        dispute = _dispute(dispute_id, request.user)
        asked = read_body(DisputeAnswer, request)
        answered = answer_dispute(dispute_id=dispute.pk, user=request.user, **asked)
        return Response(DisputeRow(answered).data)


def _dispute(dispute_id: str, user: Any) -> Dispute:
    found = Dispute.objects.filter(pk=read_id(dispute_id))
    seen = Competition.objects.seen_by(user).order_by()
    dispute = found.filter(checkpoint__competition__in=seen).first()
    if dispute is None:
        of = found.values("checkpoint__competition")
        refuse_beyond(user, Competition.objects.filter(pk__in=of))
        raise NotFound(f"There is no dispute {dispute_id}.", code="dispute_not_found")
    return dispute


@extend_schema_view(
    post=posts(
        PAYOUTS,
        ShareMove,
        Moved,
        status=201,
        asked={
            "from_index": 3,
            "to_index": 5,
            "amount": 25_000_000,
            "reason": "dispute 3 was upheld",
        },
    )
)
class AdjustShares(ActView):
    """Move a part of what a checkpoint pays from one cruncher to another."""

    write_permission = MAY_PAY

    def act(self, request: Request, checkpoint_id: str) -> Response:
        checkpoint = checkpoint_of(checkpoint_id, request.user)
        asked = read_body(ShareMove, request)
        lines = adjust(checkpoint_id=checkpoint.pk, user=request.user, **asked)
        return Response(Moved({"lines": lines}).data, 201)
