"""An operator's writes on a checkpoint: its transaction and its status."""

from collections.abc import Callable

from django.contrib.admin.models import CHANGE
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from core import audit
from core.permissions import writes
from core.requests import read_body
from emissions import transitions
from emissions.api.chosen import checkpoint_of
from emissions.api.shapes import (
    CheckpointRow,
    Confirmation,
    StatusChange,
    TransactionCorrection,
)
from emissions.models import MAY_PAY, Checkpoint


@extend_schema(request=Confirmation, responses=CheckpointRow)
@writes(MAY_PAY)
@api_view(["POST"])
def confirm(request: Request, checkpoint_id: str) -> Response:
    """Store the transaction and move PENDING to SUBMITTED."""
    return confirm_it(request, checkpoint_of(checkpoint_id, request.user))


@extend_schema(request=TransactionCorrection, responses=CheckpointRow)
@writes(MAY_PAY)
@api_view(["POST"])
def correct_transaction(request: Request, checkpoint_id: str) -> Response:
    """Replace a wrong transaction hash; the status stays, the trail says why."""
    return correct_it(request, checkpoint_of(checkpoint_id, request.user))


@extend_schema(request=StatusChange, responses=CheckpointRow)
@writes(MAY_PAY)
@api_view(["PATCH"])
def status(request: Request, checkpoint_id: str) -> Response:
    """Move one legal step forward."""
    return advance_it(request, checkpoint_of(checkpoint_id, request.user))


def confirm_it(request: Request, checkpoint: Checkpoint) -> Response:
    """Confirm a checkpoint with the body's transaction."""
    tx_hash = read_body(Confirmation, request)["tx_hash"]
    return _step(
        request,
        lambda: transitions.confirm(
            checkpoint_id=checkpoint.pk, tx_hash=tx_hash, user=request.user
        ),
        what=f"PENDING to SUBMITTED with transaction {tx_hash}.",
    )


def correct_it(request: Request, checkpoint: Checkpoint) -> Response:
    """Replace a checkpoint's transaction by the body's."""
    asked = read_body(TransactionCorrection, request)
    corrected = transitions.correct_transaction(
        checkpoint_id=checkpoint.pk, user=request.user, **asked
    )
    return Response(CheckpointRow(corrected).data)


def advance_it(request: Request, checkpoint: Checkpoint) -> Response:
    """Move a checkpoint to the body's status."""
    to = read_body(StatusChange, request)["status"]
    return _step(
        request,
        lambda: transitions.advance(
            checkpoint_id=checkpoint.pk, to=to, user=request.user
        ),
        what=f"{checkpoint.status} to {to}.",
    )


def _step(request: Request, step: Callable[[], Checkpoint], *, what: str) -> Response:
    with transaction.atomic():  # no step without an entry in the trail
        checkpoint = step()
        audit.note(request.user, [checkpoint], flag=CHANGE, what=what)
    return Response(CheckpointRow(checkpoint).data)
