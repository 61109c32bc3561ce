"""Acts on checkpoints: made now, confirmed, corrected, moved on."""

from typing import Any

from django.contrib.admin.models import ADDITION
from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from competitions.models import Competition
from core import audit, clock
from core.errors import OperatorError
from core.requests import read_body
from crunchsite.v1.acts.act import PAYOUTS, ActView, Reason, competition_of, posts
from emissions import checkpoints
from emissions.api import settling
from emissions.api.chosen import checkpoint_of
from emissions.api.shapes import (
    CheckpointRow,
    Confirmation,
    StatusChange,
    TransactionCorrection,
)
from emissions.models import MAY_PAY, Checkpoint


class NothingDueError(OperatorError):
    """No period of a competition is over that is not paid."""

    code = "checkpoint_not_due"
    status = 409


class CheckpointsMade(serializers.Serializer[Any]):
    """The checkpoints that were made, the oldest first."""

    checkpoints = CheckpointRow(many=True)


@extend_schema_view(
    post=posts(
        PAYOUTS,
        Reason,
        CheckpointsMade,
        status=201,
        asked={"reason": "the month is over"},
    )
)
class MakeCheckpoints(ActView):
    """Make the checkpoint of each period that is over, without waiting for the site."""

    write_permission = MAY_PAY
    is_atomic = False  # the contract's builder is called, outside of locks

    def act(self, request: Request, slug: str) -> Response:
        competition = competition_of(request, slug)
        reason = read_body(Reason, request)["reason"]
        if not competition.activated_at or not competition.emission_interval_s:
            raise NothingDueError(f"{competition} pays nothing: {_why(competition)}.")
        made, now = [], clock.now()

        def in_trail(checkpoint: Checkpoint) -> None:
            what = f"Made. Reason: {reason}"
            audit.note(request.user, [checkpoint], flag=ADDITION, what=what)

        try:
            while each := checkpoints.close_next_of(
                competition=competition, now=now, in_trail=in_trail
            ):
                made.append(each)
        except OperatorError:  # those before it are there: the next request says why
            if not made:
                raise
        if not made:
            raise NothingDueError(_next_due(competition))
        return Response({"checkpoints": CheckpointRow(made, many=True).data}, 201)


def _why(competition: Competition) -> str:
    if competition.emission_interval_s:
        return "it was never activated"
    return "its emission_interval_s is 0; give it a crunch_pubkey and an interval"


def _next_due(competition: Competition) -> str:
    period = checkpoints.next_period(competition=competition)
    if period is None:
        return f"{competition} has no snapshot that is not paid."
    return f"The period of {competition} ends at {period.end:%Y-%m-%d %H:%M:%S} UTC."


class SettleView(ActView):
    """Take a step with a checkpoint, as the report API does."""

    write_permission = MAY_PAY


@extend_schema_view(
    post=posts(PAYOUTS, Confirmation, CheckpointRow, asked={"tx_hash": "5kJ3xT"})
)
class Confirm(SettleView):
    """Say which transaction carries the emission: PENDING to SUBMITTED."""

    def act(self, request: Request, checkpoint_id: str) -> Response:
        return settling.confirm_it(request, checkpoint_of(checkpoint_id, request.user))


@extend_schema_view(
    post=posts(
        PAYOUTS,
        TransactionCorrection,
        CheckpointRow,
        asked={"tx_hash": "5kJ3xV", "reason": "a letter was wrong"},
    )
)
class CorrectTransaction(SettleView):
    """Replace a wrong transaction hash; the status stays, the trail says why."""

    def act(self, request: Request, checkpoint_id: str) -> Response:
        return settling.correct_it(request, checkpoint_of(checkpoint_id, request.user))


@extend_schema_view(
    post=posts(PAYOUTS, StatusChange, CheckpointRow, asked={"status": "CLAIMABLE"})
)
class Advance(SettleView):
    """Move one legal step on: SUBMITTED to CLAIMABLE, CLAIMABLE to PAID."""

    def act(self, request: Request, checkpoint_id: str) -> Response:
        return settling.advance_it(request, checkpoint_of(checkpoint_id, request.user))
