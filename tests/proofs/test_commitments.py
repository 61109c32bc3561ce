"""An answer is hidden by its nonce, and bound by its hash."""

import hashlib
import hmac
import json

from core.tlog.merkle import leaf_hash
from proofs.commitments import Nonces, answer_text, commit, opened_hash

SEED = bytes(range(32))


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


def test_a_nonce_is_the_hmac_of_the_model_by_the_seed():
    for model in ("m1", "", "é" * 100):
        assert Nonces(SEED).of(model) == hmac.digest(SEED, model.encode(), "sha256")


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


def test_commitments_stand_in_the_order_of_models_and_open():
    answers = [(model, text(model=model)) for model in ("m2", "m1", "m10")]
    hashes = commit(SEED, answers)
    for found, model in zip(hashes, ("m1", "m10", "m2"), strict=True):
        nonce = hmac.digest(SEED, model.encode(), "sha256")
        assert found == opened_hash(nonce, text(model=model))
        assert found == leaf_hash(nonce + text(model=model).encode())
    assert hashlib.sha256(b"\0" + text().encode()).digest() not in hashes


def test_equal_answers_of_two_rounds_cannot_be_compared():
    assert commit(SEED, [("m1", text())]) != commit(SEED[::-1], [("m1", text())])
