"""A key is made once, rotated with the old one's word, or replaced without it."""

import json

import pytest

from core.tlog.note import parse_note, verify_note
from proofs import log_keys, rotation, sealing
from proofs.errors import LogKeyError
from proofs.key_leaves import vkeys
from proofs.models import LogCheckpoint, LogLeaf
from tests.kills import dies, steps_of
from tests.proofs.conftest import ORIGIN

pytestmark = pytest.mark.django_db


def head():
    return parse_note(LogCheckpoint.objects.first().note)


def test_the_first_key_is_the_first_entry(keyless, append):
    key = rotation.create(origin=ORIGIN).key
    append("a")
    sealing.seal()
    entry = json.loads(LogLeaf.objects.sealed().first().text)
    assert (entry["kind"], entry["vkey"], entry["origin"]) == ("key", str(key), ORIGIN)
    with pytest.raises(LogKeyError, match="has a key"):
        rotation.create(origin=ORIGIN)


def test_the_old_key_vouches_for_the_new_and_is_gone(log_key, append):
    append("a")
    sealing.seal()
    new = rotation.rotate(reason="once a year").key
    assert verify_note(head(), [new, log_key]) == [new, log_key]
    assert vkeys() == [new, log_key]
    assert [signer.key for signer in log_keys.signers()] == [new]
    append("b")
    sealing.seal()
    assert [line.key_id for line in head().signatures] == [new.key_id]
    entry = json.loads(LogLeaf.objects.sealed().filter(kind="key").last().text)
    assert entry["replaces"] == str(log_key)
    assert (entry["reason"], entry["lost"]) == ("once a year", False)


def test_a_lost_key_is_replaced_and_the_log_says_so(log_key, append):
    append("a")
    sealing.seal()
    with pytest.raises(LogKeyError, match="is here"):
        rotation.replace_lost(reason="x")
    log_keys.key_file().unlink()
    with pytest.raises(LogKeyError, match="replace-lost"):
        rotation.create(origin=ORIGIN)
    new = rotation.replace_lost(reason="the disk died").key
    assert [line.key_id for line in head().signatures] == [new.key_id]
    assert json.loads(LogLeaf.objects.sealed().last().text)["lost"] is True
    assert new.name == ORIGIN


@pytest.mark.django_db(transaction=True)
def test_a_rotation_that_was_killed_anywhere_is_finished_by_the_next(log_key, append):
    def rotate():
        rotation.rotate(reason="once a year")

    append("a")
    sealing.seal()
    for step in steps_of(rotate, least=8):
        dies(step, rotate)
        append(f"b{step}")
        rotate()
        assert len(log_keys.signers()) == 1
        assert vkeys()[0] == log_keys.signers()[0].key
        assert verify_note(head(), vkeys()[:1])
