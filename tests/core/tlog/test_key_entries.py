"""A log's key leads to those that replaced it, and to no other."""

import json

import pytest

from core.tlog.errors import LogFormatError, UnknownSignerError, UnprovenKeyError
from core.tlog.key_entries import (
    KeyChain,
    parse_key_changes,
    read_key_entries,
    read_key_entry,
)
from core.tlog.log_checkpoint import TreeHead
from core.tlog.merkle import HASH_BYTES, MemoryTree, inclusion_proof, leaf_hash
from core.tlog.note import COSIGNATURE, Note, Signer
from core.tlog.witnessing import check_growth

ORIGIN = "example.org/log"
FIRST, SECOND, THIRD, THIEF = (Signer(ORIGIN, bytes([n]) * 32) for n in range(1, 5))


def entry(new, old, **more):
    said = {"kind": "key", "origin": ORIGIN, "vkey": str(new.key)}
    return json.dumps({**said, "replaces": str(old.key), "lost": False, **more})


class Log:
    """A log in memory, of which each head is signed by whom one says."""

    def __init__(self, *entries):
        self.entries = list(entries)

    def tree(self, size):
        return MemoryTree(leaf_hash(each.encode()) for each in self.entries[:size])

    def head(self, size, *signers):
        text = TreeHead(ORIGIN, size, self.tree(size).root()).text()
        return str(Note(text, tuple(each.sign(text) for each in signers)))

    def change(self, index, size, *signers):
        """Return the change at an index, below the head of a size."""
        path = inclusion_proof(index, size, self.tree(size))
        return {
            "entry": self.entries[index],
            "index": index,
            "note": self.head(size, *signers),
            "path": [node.hex() for node in path],
        }

    def tile(self, tile):
        assert tile.level == 0
        first = tile.start
        hashes = [leaf_hash(each.encode()) for each in self.entries[first:]]
        return b"".join(hashes)[: tile.width * HASH_BYTES]


TWICE = Log("a", entry(SECOND, FIRST), "b", entry(THIRD, SECOND), "c")
BOTH = [TWICE.change(1, 2, SECOND, FIRST), TWICE.change(3, 4, THIRD, SECOND)]


@pytest.mark.parametrize("known", [FIRST, SECOND, THIRD])
def test_each_key_leads_to_those_after_it(known):
    chain = KeyChain([known.key], read_key_entries(BOTH))
    assert chain.signers_of(5) == [THIRD.key]
    assert chain.key_at(3) == SECOND.key
    assert chain.signers_of(1) == chain.known


def test_no_key_leads_to_one_before_it():
    chain = KeyChain([THIRD.key], read_key_entries(BOTH))
    with pytest.raises(UnprovenKeyError, match="no key that is known leads to"):
        chain.signers_of(3)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([TWICE.change(1, 2, SECOND)], "has signed covers entry 1"),
        ([{**BOTH[0], "note": TWICE.head(1, FIRST), "path": []}], "covers entry 1"),
        ([{**BOTH[0], "entry": entry(THIEF, FIRST)}], "covers entry 1"),
        ([{**BOTH[0], "path": [BOTH[0]["path"][0][:-2] + "00"]}], "covers entry 1"),
        ([BOTH[1]], "no key that is known leads to"),
        (
            [Log(entry(SECOND, FIRST, lost=True)).change(0, 1, SECOND, FIRST)],
            "was lost, so nothing vouches for",
        ),
    ],
)
def test_what_the_old_key_did_not_sign_proves_nothing(changes, told):
    chain = KeyChain([FIRST.key], read_key_entries(changes))
    with pytest.raises(UnprovenKeyError, match=told):
        chain.signers_of(9)


def test_a_key_that_was_replaced_names_no_other():
    """Whoever stole it appends to what the log has."""
    log = Log("a", entry(SECOND, FIRST), entry(THIEF, FIRST))
    changes = [log.change(1, 2, SECOND, FIRST), log.change(2, 3, FIRST, THIEF)]
    chain = KeyChain([FIRST.key], read_key_entries(changes))
    with pytest.raises(UnprovenKeyError, match="was not the log's key any more"):
        chain.signers_of(3)


def grown(log, head, known, changes):
    return check_growth(
        head,
        key=known.key,
        seen=None,
        read_tile=log.tile,
        read_changes=lambda: json.dumps(changes).encode(),
    )


def test_a_witness_learns_the_newest_key():
    checked = grown(TWICE, TWICE.head(5, THIRD), FIRST, BOTH)
    assert (checked.key, checked.head.size) == (THIRD.key, 5)
    assert grown(TWICE, TWICE.head(2, FIRST, SECOND), FIRST, []).key == FIRST.key


def test_a_witness_takes_no_key_that_this_log_does_not_name():
    """Whoever stole the first key has another log, which names its own."""
    other = Log("a", entry(THIEF, FIRST), "b")
    changes = [other.change(1, 2, THIEF, FIRST)]
    assert grown(other, other.head(3, THIEF), FIRST, changes).key == THIEF.key
    shown = Log("a", "x", "y")
    with pytest.raises(UnprovenKeyError, match="entry 1, which names"):
        grown(shown, shown.head(3, THIEF), FIRST, changes)
    with pytest.raises(UnknownSignerError):
        grown(TWICE, TWICE.head(5, FIRST), SECOND, BOTH)


def test_what_is_no_change_of_a_key_is_refused():
    good = BOTH[0]
    vkey = str(Signer(ORIGIN, bytes(32), COSIGNATURE).key)
    for odd in (
        b"x", b"[1]", b"[{}]", b"[" * 100_000,
        *(
            json.dumps([{**good, **changed}]).encode()
            for changed in (
                {"entry": "x"}, {"entry": "[]"}, {"index": "x"}, {"path": ["x"]},
                {"entry": entry(SECOND, FIRST, kind="x")}, {"path": 1},
                {"entry": entry(SECOND, FIRST, origin="x")},
                {"entry": entry(SECOND, FIRST, vkey=vkey)},
            )
        ),
    ):  # fmt: skip
        with pytest.raises(LogFormatError):
            parse_key_changes(odd)
    with pytest.raises(LogFormatError):
        read_key_entry(0, '{"kind": "key"}')
