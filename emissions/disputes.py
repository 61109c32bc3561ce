"""Dispute a checkpoint before it is confirmed; answer what is disputed."""

from typing import Any

from django.contrib.admin.models import CHANGE
from django.db import transaction

from core import audit, clock
from core.errors import OperatorError
from core.facts import Fact, FactKind, announce
from emissions.models import Checkpoint, Dispute

State = Dispute.State


class DisputeError(OperatorError):
    """A checkpoint cannot be disputed, or a dispute cannot be answered, at present."""

    code = "dispute_refused"
    status = 409


@transaction.atomic
def open_dispute(*, checkpoint_id: int, reason: str, user: Any) -> Dispute:
    """Object to a pending checkpoint, until its challenge window ends.

    Raises Checkpoint.DoesNotExist, and DisputeError when it is too late, there is no
    window, or the user's last objection is not answered yet.
    """
    # Locked, so that no confirmation passes an objection by.
    checkpoint = Checkpoint.objects.select_for_update().get(pk=checkpoint_id)
    ends_at, now = checkpoint.challenge_ends_at, clock.now()
    if ends_at is None:
        raise DisputeError(f"{checkpoint} has no challenge window.")
    if checkpoint.status != Checkpoint.Status.PENDING or now >= ends_at:
        raise DisputeError(
            f"{checkpoint} was {checkpoint.status}; it could be disputed until "
            f"{ends_at:%Y-%m-%d %H:%M:%S} UTC."
        )
    if checkpoint.disputes.filter(author=user.pk, state=State.OPEN).exists():
        raise DisputeError(f"Your dispute of {checkpoint} is not answered yet.")
    dispute = Dispute.objects.create(
        checkpoint=checkpoint, author_id=user.pk, reason=reason, created_at=now
    )
    audit.note(user, [checkpoint], flag=CHANGE, what=f"Disputed. Reason: {reason}")
    _tell(FactKind.DISPUTE_OPENED, dispute)
    return dispute


@transaction.atomic
def answer_dispute(
    *, dispute_id: int, is_upheld: bool, answer: str, user: Any
) -> Dispute:
    """Uphold or reject an open dispute, with an answer; by compare-and-set.

    What an upheld one changes is adjusted in the ledger. Raises Dispute.DoesNotExist,
    and DisputeError when it is answered already or is the user's own.
    """
    state = State.UPHELD if is_upheld else State.REJECTED
    changed = (
        Dispute.objects.filter(pk=dispute_id, state=State.OPEN)
        .exclude(author=user.pk)
        .update(state=state, answer=answer, answered_at=clock.now())
    )
    dispute = Dispute.objects.select_related("checkpoint").get(pk=dispute_id)
    if not changed and dispute.state != State.OPEN:
        raise DisputeError(f"{dispute} was {dispute.state}; it is answered once.")
    if not changed:
        raise DisputeError(f"{dispute} is your own; somebody else answers it.")
    what = f"Dispute {dispute.pk} {state}. Answer: {answer}"
    audit.note(user, [dispute.checkpoint], flag=CHANGE, what=what)
    _tell(FactKind.DISPUTE_ANSWERED, dispute)
    return dispute


def _tell(kind: FactKind, dispute: Dispute) -> None:
    checkpoint = dispute.checkpoint
    payload = {
        "dispute": dispute.pk,
        "checkpoint": str(checkpoint),
        "state": dispute.state,
    }
    announce(Fact(kind, checkpoint.competition_id, payload))
