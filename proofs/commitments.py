"""Commit to a round's answers: each is hidden by a nonce until it is opened.

An answer's entry in the inner tree is its nonce and its exact JSON. The nonces are a
stream that follows from the round's seed, so one seed opens all answers, and an opened
answer says nothing about the others.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.tlog.exact import exact_json, quoted
from core.tlog.merkle import leaf_hash

SEED_BYTES, NONCE_BYTES = 64, 32
# The bytes of a seed whose nonces are HMACs of the models' ids, as they were once.
_SEED_OF_HMAC = 32


def nonces(seed: bytes, models: Sequence[str]) -> list[bytes]:
    """Return the nonces of all models of a round, given by id: SHAKE-256 of its seed.

    The first NONCE_BYTES are those of the first model, and so on: a hash for each model
    would take longer than the answers' own.
    """
    if len(seed) == _SEED_OF_HMAC:
        made = {
            model: hmac.digest(seed, model.encode(), "sha256") for model in {*models}
        }
        return [made[model] for model in models]
    stream = hashlib.shake_256(seed).digest(NONCE_BYTES * len(models))
    return [
        stream[start : start + NONCE_BYTES]
        for start in range(0, len(stream), NONCE_BYTES)
    ]


def answer_text(
    *,
    model: str,
    outcome: str,
    code: str,
    reason: str,
    output: Mapping[str, Any],
    exec_time_us: int | None,
) -> str:
    """Return the one text of an answer: RFC 8785 JSON, its output as `exact_json`.

    Everybody may read it, so of a failure it says the code, and neither reason nor
    output. A row without a code is an answer, or a failure from before there were
    codes: then the log committed to its texts.
    """
    if code:
        reason, output = code, {}
    took = "null" if exec_time_us is None else exec_time_us
    told = exact_json(reason) if reason else '""'
    return (
        f'{{"exec_time_us":{took},"model":{quoted(model)},"outcome":"{outcome}",'
        f'"output":{exact_json(output)},"reason":{told}}}'
    )


def new_seed() -> bytes:
    return secrets.token_bytes(SEED_BYTES)


def commit(seed: bytes, answers: Iterable[tuple[str, str]]) -> list[bytes]:
    """Return the leaf hashes of answers, given as (model id, text), by model id."""
    begun, hashes = hashlib.sha256(b"\0").copy, []
    ordered = sorted(answers)
    of_each = nonces(seed, [model for model, _ in ordered])
    for nonce, (_, text) in zip(of_each, ordered, strict=True):
        leaf = begun()
        leaf.update(nonce + text.encode())
        hashes.append(leaf.digest())
    return hashes


def opened_hash(nonce: bytes, text: str) -> bytes:
    """Return the leaf hash of an opened answer."""
    return leaf_hash(nonce + text.encode())


def find(
    seed: bytes, hashes: Sequence[bytes], model: str, text: str
) -> tuple[int, bytes] | None:
    """Return the place of an answer among a round's leaf hashes, and its nonce.

    None when the round has no such answer.
    """
    for place, nonce in enumerate(nonces(seed, [model] * len(hashes))):
        if hashes[place] == opened_hash(nonce, text):
            return place, nonce
    return None
