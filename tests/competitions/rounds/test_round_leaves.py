"""A round in the log binds every answer, and what was shown, before the truth."""

import hashlib
import json

import pytest

from competitions.gateway.types import ModelAnswer
from competitions.models import Prediction, Round
from competitions.rounds.round_leaves import shown_digest
from competitions.rules_version import rules_version
from competitions.wiring import wiring_of
from core.tlog.merkle import root_of
from proofs import log_keys, sealing
from proofs.commitments import answer_text, nonces, opened_hash
from proofs.models import LogCheckpoint, LogLeaf
from tests.competitions.rounds.conftest import ask

pytestmark = pytest.mark.usefixtures("tape")


def leaf_of(round_):
    leaf = LogLeaf.objects.get(kind="round", key=str(round_.pk))
    return leaf, json.loads(leaf.text)


def stored_text(prediction):
    return answer_text(
        model=prediction.model.model_id,
        outcome=prediction.outcome,
        exec_time_us=prediction.exec_time_us,
        code="",
        reason=prediction.code,
        output=prediction.output if prediction.outcome == "ANSWERED" else {},
    )


def test_the_entry_says_what_was_asked_and_binds_every_answer(round_, frozen_clock):
    ask(
        round_,
        {
            "a": {"value": 0.1},
            "b": 1e22,
            "c": None,
            "d": ModelAnswer("d", "FAILED", reason="no\0\ud800 \u2028é"),
            "e": {"value": -0.0, "note": "#\0\u2028é", "7": [1e-7, True, None]},
            "f": {"value": "much"},
        },
    )
    leaf, entry = leaf_of(round_)
    hashes = leaf.hashes
    assert entry == {
        "answers": 6,
        "asked_at": "2026-03-02T12:00:00Z",
        "competition": round_.competition.slug,
        "kind": "round",
        "resolvable_at": "2026-03-02T12:01:00Z",
        "root": root_of(hashes).hex(),
        "round": round_.pk,
        "rules": rules_version(
            round_.competition, wiring_of(round_.competition)
        ).digest,
        "scope_key": Round.objects.get().scope_key,
        "shown": shown_digest(Round.objects.get().raw_data, Round.objects.get().scope),
        "slot_at": "2026-03-02T12:00:00Z",
        "subject": "BTCUSDT",
        "v": 1,
    }
    answers = Prediction.objects.order_by("model__model_id").select_related("model")
    of_each = nonces(bytes(leaf.seed), [each.model.model_id for each in answers])
    assert [
        opened_hash(nonce, stored_text(each))
        for nonce, each in zip(of_each, answers, strict=True)
    ] == hashes
    outcomes = [each.outcome for each in answers]
    assert outcomes == [
        "ANSWERED",
        "ANSWERED",
        "ABSENT",
        "FAILED",
        "ANSWERED",
        "FAILED",
    ]


def test_the_rules_of_a_round_are_in_the_log_once(competition, round_):
    ask(round_, {"a": 1.0})
    leaf = LogLeaf.objects.get(kind="rules")
    entry = json.loads(leaf.text)
    assert entry["digest"] == leaf_of(round_)[1]["rules"]
    assert entry["digest"] == hashlib.sha256(entry["rules"].encode()).hexdigest()
    rules = json.loads(entry["rules"])
    assert rules["competition"] == competition.slug
    assert rules["score_interval_s"] == f"#{competition.score_interval_s}"


def test_a_round_that_was_stored_elsewhere_has_one_entry(round_):
    ask(round_, {"a": 1.0})
    ask(round_, {"a": 2.0})
    assert LogLeaf.objects.filter(kind="round").count() == 1


def test_a_round_without_models_is_bound_too(round_):
    ask(round_, {})
    _, entry = leaf_of(round_)
    assert (entry["answers"], entry["root"]) == (0, hashlib.sha256().hexdigest())


def test_a_round_is_sealed_when_a_key_is_there(round_, settings, tmp_path):
    changed = {"log_key_file": str(tmp_path / "log_key")}
    settings.ENV = settings.ENV.model_copy(update=changed)
    log_keys.write_lines([log_keys.new_key("example.org/log")])
    ask(round_, {"a": 1.0})
    assert sealing.seal() == 3  # the key, the rules, the round
    assert LogCheckpoint.objects.get().size == 3
