"""An answer is hidden by its nonce, and bound by its hash."""

import hashlib
import hmac
import json

import pytest

from core.tlog.merkle import leaf_hash
from proofs.commitments import (
    answer_text,
    commit,
    find,
    new_seed,
    nonces,
    opened_hash,
)

SEED, SEED_OF_BEFORE = bytes(range(64)), bytes(range(32))


def text(**fields):
    return answer_text(
        **{
            "model": "m1",
            "outcome": "ANSWERED",
            "code": "",
            "reason": "",
            "output": {"value": 0.5},
            "exec_time_us": 900,
            **fields,
        }
    )


def test_of_a_failure_the_text_says_the_code_and_nothing_of_the_models_words():
    told = text(outcome="FAILED", code="EXCEPTION", reason="KeyError: 'x', line 7")
    assert json.loads(told) == {
        "exec_time_us": 900,
        "model": "m1",
        "outcome": "FAILED",
        "output": {},
        "reason": "EXCEPTION",
    }


def test_the_nonces_are_one_stream_of_the_seed():
    stream = hashlib.shake_256(SEED).digest(96)
    assert nonces(SEED, ["m1", "", "é" * 100]) == [
        stream[:32],
        stream[32:64],
        stream[64:],
    ]
    assert nonces(SEED, []) == []
    assert len(new_seed()) == len(SEED) != len(SEED_OF_BEFORE)


def test_a_seed_of_before_opens_what_was_hidden_with_it():
    """Its nonces are HMACs of the models' ids."""
    models = ["m1", "", "é" * 100]
    assert nonces(SEED_OF_BEFORE, models) == [
        hmac.digest(SEED_OF_BEFORE, model.encode(), "sha256") for model in models
    ]


def test_the_text_of_an_answer():
    assert text() == (
        '{"exec_time_us":900,"model":"m1","outcome":"ANSWERED",'
        '"output":{"value":"#0.5"},"reason":""}'
    )
    failed = text(outcome="FAILED", reason='"no"', output={}, exec_time_us=None)
    assert json.loads(failed) == {
        "exec_time_us": None,
        "model": "m1",
        "outcome": "FAILED",
        "output": {},
        "reason": '"no"',
    }


@pytest.mark.parametrize("seed", [SEED, SEED_OF_BEFORE])
def test_commitments_stand_in_the_order_of_models_and_open(seed):
    answers = [(model, text(model=model)) for model in ("m2", "m1", "m10")]
    hashes = commit(seed, answers)
    models = ["m1", "m10", "m2"]
    for place, (model, nonce) in enumerate(
        zip(models, nonces(seed, models), strict=True)
    ):
        assert hashes[place] == opened_hash(nonce, text(model=model))
        assert hashes[place] == leaf_hash(nonce + text(model=model).encode())
        assert find(seed, hashes, model, text(model=model)) == (place, nonce)
    assert find(seed, hashes, "m1", text(exec_time_us=901)) is None
    assert hashlib.sha256(b"\0" + text().encode()).digest() not in hashes


def test_equal_answers_of_two_rounds_cannot_be_compared():
    assert commit(SEED, [("m1", text())]) != commit(SEED[::-1], [("m1", text())])
