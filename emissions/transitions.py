"""Checkpoint states, one step at a time: PENDING, SUBMITTED, CLAIMABLE, PAID."""

from collections.abc import Mapping
from typing import Any

from django.contrib.admin.models import CHANGE
from django.db import transaction

from core import audit, clock
from core.errors import OperatorError
from core.facts import Fact, FactKind, announce
from emissions import ledger
from emissions.checkpoint_leaves import log_settlement
from emissions.models import Checkpoint, Dispute

Status = Checkpoint.Status
NEXT: Mapping[str, str] = {
    Status.PENDING: Status.SUBMITTED,
    Status.SUBMITTED: Status.CLAIMABLE,
    Status.CLAIMABLE: Status.PAID,
}


FACT_KINDS: Mapping[str, FactKind] = {
    Status.CLAIMABLE: FactKind.CHECKPOINT_CLAIMABLE,
    Status.PAID: FactKind.CHECKPOINT_PAID,
}


class TransitionError(OperatorError):
    """A step that the checkpoint's present state does not allow."""

    code = "transition_illegal"
    status = 409


@transaction.atomic
def confirm(*, checkpoint_id: int, tx_hash: str, user: Any) -> Checkpoint:
    """Move PENDING to SUBMITTED, with the transaction that carries the emission.

    Raises Checkpoint.DoesNotExist, and TransitionError when it is not PENDING, can
    still be disputed, or has a dispute without an answer.
    """
    _refuse_disputable(_locked(checkpoint_id, user))
    changed = Checkpoint.objects.filter(pk=checkpoint_id, status=Status.PENDING).update(
        status=Status.SUBMITTED,
        tx_hash=tx_hash,
        submitted_at=clock.now(),
        settled_by=user.pk,
    )
    checkpoint = Checkpoint.objects.get(pk=checkpoint_id)
    if not changed:
        raise TransitionError(
            f"{checkpoint} was {checkpoint.status}; only a PENDING one is confirmed."
        )
    _tell(FactKind.CHECKPOINT_CONFIRMED, checkpoint)
    return checkpoint


@transaction.atomic
def advance(*, checkpoint_id: int, to: str, user: Any) -> Checkpoint:
    """Move one step forward, by compare-and-set; only `confirm` reaches SUBMITTED.

    PAID writes into the ledger what was paid. Raises Checkpoint.DoesNotExist, and
    TransitionError for any other step.
    """
    if to == Status.SUBMITTED:
        checkpoint = Checkpoint.objects.get(pk=checkpoint_id)
        raise TransitionError(
            f"{checkpoint} was {checkpoint.status}; confirm it with its tx_hash."
        )
    _locked(checkpoint_id, user)
    before = [status for status, following in NEXT.items() if following == to]
    changed = Checkpoint.objects.filter(pk=checkpoint_id, status__in=before).update(
        status=to, settled_by=user.pk
    )
    checkpoint = Checkpoint.objects.get(pk=checkpoint_id)
    if not changed:
        following = NEXT.get(checkpoint.status, "nothing: it is final")
        raise TransitionError(
            f"{checkpoint} was {checkpoint.status}; the next is {following}."
        )
    if to == Status.PAID:
        ledger.pay(checkpoint, user=user)
    _tell(FACT_KINDS[to], checkpoint)
    return checkpoint


def correct_transaction(
    *, checkpoint_id: int, tx_hash: str, reason: str, user: Any
) -> Checkpoint:
    """Replace a wrong transaction hash; the trail stores who, why, and the old hash.

    Raises Checkpoint.DoesNotExist, and TransitionError when nothing was submitted yet
    or the hash is the same.
    """
    with transaction.atomic():  # no correction without an entry in the trail
        checkpoint = _locked(checkpoint_id, user)
        if checkpoint.status == Status.PENDING:
            raise TransitionError(
                f"{checkpoint} was PENDING; confirm it with its tx_hash."
            )
        if checkpoint.tx_hash == tx_hash:
            raise TransitionError(f"{checkpoint} has the transaction {tx_hash}.")
        was, checkpoint.tx_hash = checkpoint.tx_hash, tx_hash
        checkpoint.settled_by_id = user.pk
        checkpoint.save(update_fields=["tx_hash", "settled_by"])
        what = f"Transaction corrected, {was} to {tx_hash}. Reason: {reason}"
        audit.note(user, [checkpoint], flag=CHANGE, what=what)
        _tell(FactKind.CHECKPOINT_CORRECTED, checkpoint)
    return checkpoint


def _locked(checkpoint_id: int, user: Any) -> Checkpoint:
    """Return the locked row, if this user may take its next step.

    With `needs_two`, who took the last one may not; raises TransitionError.
    """
    checkpoint = Checkpoint.objects.select_for_update().get(pk=checkpoint_id)
    is_same = user.pk is not None and checkpoint.settled_by_id == user.pk
    if checkpoint.needs_two and is_same:
        raise TransitionError(
            f"{checkpoint} needs two people: its last step was yours, the next is "
            f"somebody else's."
        )
    return checkpoint


def _refuse_disputable(checkpoint: Checkpoint) -> None:
    ends_at = checkpoint.challenge_ends_at
    if checkpoint.status != Status.PENDING or ends_at is None:
        return
    if clock.now() < ends_at:
        raise TransitionError(
            f"{checkpoint} can be disputed until {ends_at:%Y-%m-%d %H:%M:%S} UTC; "
            f"confirm it then."
        )
    if checkpoint.disputes.filter(state=Dispute.State.OPEN).exists():
        raise TransitionError(
            f"{checkpoint} has a dispute without an answer; answer it first."
        )


def _tell(kind: FactKind, checkpoint: Checkpoint) -> None:
    log_settlement(checkpoint)
    payload = {"checkpoint": str(checkpoint), "tx_hash": checkpoint.tx_hash}
    announce(Fact(kind, checkpoint.competition_id, payload))
