"""A key is made once, rotated with the old one's word, or replaced without it."""

import json

import pytest

from core.tlog.key_entries import KeyChain, parse_key_changes
from core.tlog.note import parse_note, verify_note
from proofs import log_keys, rotation, sealing
from proofs.errors import LogKeyError
from proofs.key_leaves import vkeys
from proofs.models import LogCheckpoint, LogLeaf
from tests.kills import dies, steps_of
from tests.proofs.conftest import ORIGIN

pytestmark = pytest.mark.django_db


def changes(client):
    """Return the changes of the log's key as readers get them."""
    return parse_key_changes(client.get("/log/key-changes").content)


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


def test_the_old_key_vouches_for_the_new_and_is_gone(log_key, append, client):
    append("a")
    sealing.seal()
    assert changes(client) == []
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
    newest = rotation.rotate(reason="once a year").key
    chain = KeyChain([log_key], changes(client))
    assert chain.known == [log_key, new, newest]
    assert chain.signers_of(LogCheckpoint.objects.first().size) == [newest]


def test_a_key_that_signed_nothing_yet_is_named_before_it_is_replaced(log_key):
    new = rotation.rotate(reason="it was shown to somebody").key
    assert vkeys() == [new, log_key]
    assert verify_note(head(), [new, log_key]) == [new, log_key]


def test_a_lost_key_is_replaced_and_the_log_says_so(log_key, append, client):
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
    assert KeyChain([log_key], changes(client)).known == [log_key]


@pytest.mark.parametrize("act", [rotation.rotate, rotation.replace_lost])
def test_a_key_is_replaced_however_much_waits(log_key, append, monkeypatch, act):
    """The log was not signed for long, because its key was lost."""
    monkeypatch.setattr(sealing, "MOST_AT_ONCE", 3)
    append("a")
    sealing.seal()
    append(*"bcdefgh")
    if act == rotation.replace_lost:
        log_keys.key_file().unlink()
    new = act(reason="the disk died").key
    assert vkeys() == [new, log_key]
    assert not LogLeaf.objects.waiting().exists()


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
