"""Commit to a round's answers: each is hidden by a nonce until it is opened.

An answer's entry in the inner tree is its nonce and its exact JSON. The nonce of a
model is HMAC-SHA256 of its id by the round's seed, so one seed opens all answers, and
an opened answer says nothing about the others.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from core.tlog.exact import exact_json, quoted
from core.tlog.merkle import leaf_hash

SEED_BYTES = 32
_BLOCK = 64  # bytes of SHA-256
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


class Nonces:
    """Make the nonces of a round: HMAC-SHA256 with the seed hashed once, not each."""

    def __init__(self, seed: bytes) -> None:
        padded = seed.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(padded.translate(_INNER)).copy
        self._outer = hashlib.sha256(padded.translate(_OUTER)).copy

    def of(self, model_id: str) -> bytes:
        """Return the nonce of a model, 32 bytes."""
        inner = self._inner()
        inner.update(model_id.encode())
        outer = self._outer()
        outer.update(inner.digest())
        return outer.digest()


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
    nonce_of, begun = Nonces(seed).of, hashlib.sha256(b"\0").copy
    hashes = []
    for model, text in sorted(answers):
        leaf = begun()
        leaf.update(nonce_of(model) + text.encode())
        hashes.append(leaf.digest())
    return hashes


def opened_hash(nonce: bytes, text: str) -> bytes:
    """Return the leaf hash of an opened answer."""
    return leaf_hash(nonce + text.encode())
