"""Facts: records of what has happened, sent inside the transaction that does it.

Services send a fact with `announce`. Receivers (crunchsite/events stores facts for
programs) connect to `announced` and write in the same transaction, so a rollback
removes the stored fact too.
"""

from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import TextChoices
from django.db.transaction import TransactionManagementError
from django.dispatch import Signal

# Sent with `facts`, a list of Fact, while the transaction is open.
announced = Signal()


class FactKind(TextChoices):
    """The kinds of facts; the names are part of the API (docs/integrator/events.md)."""

    ROUND_PERFORMED = "round.performed"
    ROUND_SCORED = "round.scored"
    ROUND_UNRESOLVABLE = "round.unresolvable"
    ROUND_VOID = "round.void"
    BOARD_MOVED = "board.moved"
    CHECKPOINT_MADE = "checkpoint.made"
    CHECKPOINT_CONFIRMED = "checkpoint.confirmed"
    CHECKPOINT_CLAIMABLE = "checkpoint.claimable"
    CHECKPOINT_PAID = "checkpoint.paid"
    CHECKPOINT_CORRECTED = "checkpoint.corrected"
    DISPUTE_OPENED = "dispute.opened"
    DISPUTE_ANSWERED = "dispute.answered"
    LEDGER_ADJUSTED = "ledger.adjusted"
    RELEASE_PUBLISHED = "release.published"
    RELEASE_ROLLED_BACK = "release.rolled_back"
    MODEL_FAILED = "model.failed"
    MODEL_QUARANTINED = "model.quarantined"
    MODEL_EXCLUDED = "model.excluded"
    MODEL_READMITTED = "model.readmitted"
    FEED_STALE = "feed.stale"
    FEED_FRESH = "feed.fresh"
    COMPETITION_ACTIVATED = "competition.activated"
    COMPETITION_PAUSED = "competition.paused"
    COMPETITION_ENDED = "competition.ended"
    RULE_CHANGED = "rule.changed"


@dataclass(frozen=True)
class Fact:
    """One fact: of a competition, or of the site. `payload` is small, and JSON."""

    kind: FactKind
    competition_id: int | None = None
    payload: dict[str, Any] = field(default_factory=dict)


def announce(*facts: Fact) -> None:
    """Send facts to all receivers in the open transaction; without facts, do nothing.

    Many facts in one call cost a receiver one statement. Raises
    TransactionManagementError outside of a transaction.
    """
    if not facts:
        return
    if not connection.in_atomic_block:
        raise TransactionManagementError(
            "a fact is announced inside the transaction that makes it"
        )
    announced.send(sender=None, facts=list(facts))
