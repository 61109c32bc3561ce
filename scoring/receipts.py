"""Receipts: that a model's answer is in the log, and what it was.

A receipt hides the answer behind its nonce. It is opened for its owner and for
operators, and for everybody once its round has ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from competitions.models import Prediction, Round
from competitions.models.told_failures import reads_texts
from proofs.commitments import answer_text, find
from proofs.models import LogCheckpoint, LogLeaf
from proofs.placing import Placed, inner_proof, place

BEFORE_LOG = "its round was asked before the log began"
OF_ENSEMBLE = "an ensemble's answer is computed from those of others, and is in no log"
WAITS = "its entry waits for a signature; ask again in a second"
DIFFERS = (
    "the stored answer differs from what the log committed to: it was changed since"
)


@dataclass(frozen=True)
class Receipt:
    """The proof of an answer as a `.tlog-proof`, or the problem why there is none.

    `opened` is the answer's text and its nonce in hex, None for who may not see it.
    """

    prediction: Prediction
    problem: str = ""
    proof: str = ""
    index: int | None = None
    head: LogCheckpoint | None = None
    opened: Mapping[str, str] | None = None


def receipts_of(predictions: Sequence[Prediction], user: Any) -> list[Receipt]:
    """Return a receipt for each prediction, in six statements.

    The predictions come with round and model.
    """
    leaves = LogLeaf.objects.filter(
        kind=LogLeaf.Kind.ROUND, key__in={str(each.round_id) for each in predictions}
    )
    placed = {each.leaf.key: each for each in place(leaves).values()}
    known = set(leaves.values_list("key", flat=True))
    return [
        _receipt(each, placed.get(str(each.round_id)), user, known)
        for each in predictions
    ]


def _receipt(
    prediction: Prediction, placed: Placed | None, user: Any, known: set[str]
) -> Receipt:
    if prediction.model.is_virtual:
        return Receipt(prediction, OF_ENSEMBLE)
    if placed is None:
        is_known = str(prediction.round_id) in known
        return Receipt(prediction, WAITS if is_known else BEFORE_LOG)
    model = prediction.model.model_id
    text = answer_text(
        model=model,
        outcome=prediction.outcome,
        code=prediction.code,
        reason=prediction.reason,
        output=prediction.output,
        exec_time_us=prediction.exec_time_us,
    )
    found = find(bytes(placed.leaf.seed or b""), placed.leaf.hashes, model, text)
    if found is None:
        return Receipt(prediction, DIFFERS)
    position, nonce = found
    opened = {"answer": text, "nonce": nonce.hex()}
    told = opened if _may_open(prediction, user) else None
    extra = inner_proof(placed.leaf, position)
    return Receipt(
        prediction,
        proof=placed.proof({**extra, "opened": told} if told else extra),
        index=placed.leaf.index,
        head=placed.head,
        opened=told,
    )


def _may_open(prediction: Prediction, user: Any) -> bool:
    is_over = prediction.round.status != Round.Status.RECEIVED
    return is_over or reads_texts(user, prediction.model.cruncher_id)
