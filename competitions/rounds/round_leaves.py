"""Commit to the answers of rounds in the log, in the transaction that stores them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from competitions.gateway.types import ModelAnswer
from competitions.models import Competition
from competitions.scopes import subject_in
from core.clock import iso_z
from core.tlog.exact import exact_json
from core.tlog.merkle import root_of
from proofs.commitments import answer_text, commit, new_seed
from proofs.leaves import NewLeaf, append_leaves
from proofs.models import LogLeaf


@dataclass(frozen=True)
class AskedRound:
    """A round whose answers are stored now: what its models were shown, and said.

    `resolvable_at` is None when its truth is posted by a program.
    """

    pk: int
    scope_key: str
    scope: Mapping[str, Any]
    slot_at: datetime
    asked_at: datetime
    resolvable_at: datetime | None
    shown: Any
    answers: Sequence[ModelAnswer]


def log_rounds(
    competition: Competition, rounds: Iterable[AskedRound], *, rules: str
) -> None:
    """Append an entry for each round, with one statement; `rules` is their digest."""
    append_leaves(_leaf(competition, asked, rules) for asked in rounds)


def shown_digest(shown: Any, scope: Mapping[str, Any]) -> str:
    """Return the SHA-256, in hex, of what models were shown: input and scope."""
    text = exact_json({"input": shown, "scope": scope})
    return hashlib.sha256(text.encode()).hexdigest()


def stored_output(answer: ModelAnswer) -> dict[str, Any]:
    """Return what the row of an answer stores as its output."""
    return answer.result if isinstance(answer.result, dict) else {}


def _leaf(competition: Competition, asked: AskedRound, rules: str) -> NewLeaf:
    seed = new_seed()
    hashes = commit(seed, [(a.model_id, _text(a)) for a in asked.answers])
    body = {
        "answers": len(hashes),
        "asked_at": iso_z(asked.asked_at),
        "competition": competition.slug,
        "resolvable_at": asked.resolvable_at and iso_z(asked.resolvable_at),
        "root": root_of(hashes).hex(),
        "round": asked.pk,
        "rules": rules,
        "scope_key": asked.scope_key,
        "shown": shown_digest(asked.shown, asked.scope),
        "slot_at": iso_z(asked.slot_at),
        "subject": subject_in(asked.scope),
    }
    return NewLeaf(
        LogLeaf.Kind.ROUND,
        str(asked.pk),
        body,
        competition=competition.pk,
        inner=b"".join(hashes),
        seed=seed,
    )


def _text(answer: ModelAnswer) -> str:
    return answer_text(
        model=answer.model_id,
        outcome=answer.outcome,
        code=answer.code,
        reason=answer.reason,
        output=stored_output(answer),
        exec_time_us=answer.exec_time_us,
    )
