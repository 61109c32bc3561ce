"""Keep the ledger: due when a checkpoint is made, paid when it is, moved with a reason.

An amount is in billionths of what its checkpoint pays. What is due to all is the whole;
an adjustment moves a part of it from one cruncher to another, so the sum stays. Due and
adjustments less what was paid is what remains.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import CHANGE
from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from core import audit, clock
from core.errors import OperatorError
from core.facts import Fact, FactKind, announce
from emissions.checkpoint_leaves import log_settlement
from emissions.models import Checkpoint, PayoutEntry

Kind = PayoutEntry.Kind


class AdjustmentError(OperatorError):
    """A share cannot be moved as asked."""

    code = "adjustment_refused"
    status = 409


@dataclass(frozen=True)
class Balance:
    """What a cruncher got and gets of one or several checkpoints, in billionths."""

    due: int = 0
    adjusted: int = 0
    paid: int = 0

    @property
    def entitled(self) -> int:
        return self.due + self.adjusted

    @property
    def remaining(self) -> int:
        return self.entitled - self.paid


def owe(checkpoint: Checkpoint) -> list[PayoutEntry]:
    """Write what a new checkpoint makes due; in the transaction that makes it."""
    rewards = checkpoint.entries[0]["cruncher_rewards"] if checkpoint.entries else []
    return _write(
        (checkpoint, reward["cruncher_index"], Kind.DUE, reward["reward_pct"])
        for reward in rewards
        if reward["reward_pct"]
    )


def pay(checkpoint: Checkpoint, *, user: Any) -> None:
    """Write that all that remains of a checkpoint is paid; its row must be locked."""
    _write(
        (
            (checkpoint, index, Kind.PAID, balance.remaining)
            for index, balance in balances(checkpoint.ledger.all()).items()
            if balance.remaining > 0
        ),
        author=user.pk,
    )


@transaction.atomic
def adjust(
    *,
    checkpoint_id: int,
    from_index: int,
    to_index: int,
    amount: int,
    reason: str,
    user: Any,
) -> list[PayoutEntry]:
    """Move a part of a checkpoint's whole from one cruncher to another, with a reason.

    With `needs_two`, the checkpoint's next step is somebody else's. Raises
    Checkpoint.DoesNotExist, and AdjustmentError when the two are the same, the receiver
    is no cruncher of the competition, or the giver has less than the amount.
    """
    checkpoint = Checkpoint.objects.select_for_update().get(pk=checkpoint_id)
    if from_index == to_index:
        raise AdjustmentError(f"cruncher {from_index} gives nothing to themselves.")
    known = checkpoint.competition.crunchers
    if not known.filter(cruncher_index=to_index).exists():
        raise AdjustmentError(f"{checkpoint.competition} has no cruncher {to_index}.")
    own = balances(checkpoint.ledger.filter(cruncher_index=from_index))
    entitled = own.get(from_index, Balance()).entitled
    if entitled < amount:
        raise AdjustmentError(
            f"cruncher {from_index} has {entitled} of {checkpoint}, less than {amount}."
        )
    moved = _write(
        (
            (checkpoint, from_index, Kind.ADJUSTMENT, -amount),
            (checkpoint, to_index, Kind.ADJUSTMENT, amount),
        ),
        reason=reason,
        author=user.pk,
    )
    checkpoint.settled_by_id = user.pk
    checkpoint.save(update_fields=["settled_by"])
    log_settlement(checkpoint)
    what = f"{amount} moved from {from_index} to {to_index}. Reason: {reason}"
    audit.note(user, [checkpoint], flag=CHANGE, what=what)
    payload = {
        "checkpoint": str(checkpoint),
        "from_index": from_index,
        "to_index": to_index,
        "amount": amount,
    }
    announce(Fact(FactKind.LEDGER_ADJUSTED, checkpoint.competition_id, payload))
    return moved


def balances(lines: QuerySet[PayoutEntry]) -> dict[int, Balance]:
    """Return the balance of each cruncher by index, in one statement."""
    rows: QuerySet[PayoutEntry, Any] = (
        lines.order_by("cruncher_index")
        .values("cruncher_index")
        .annotate(
            **{
                kind.value.lower(): Sum("amount", filter=Q(kind=kind), default=0)
                for kind in Kind
            }
        )
    )
    return {
        row["cruncher_index"]: Balance(
            int(row["due"]), int(row["adjustment"]), int(row["paid"])
        )
        for row in rows
    }


def _write(
    lines: Iterable[tuple[Checkpoint, int, str, int]],
    *,
    reason: str = "",
    author: int | None = None,
) -> list[PayoutEntry]:
    now = clock.now()
    return PayoutEntry.objects.bulk_create(
        PayoutEntry(
            checkpoint=checkpoint,
            cruncher_index=index,
            kind=kind,
            amount=amount,
            reason=reason,
            author_id=author,
            created_at=now,
        )
        for checkpoint, index, kind, amount in lines
    )
