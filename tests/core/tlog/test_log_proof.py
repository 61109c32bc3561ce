"""Receipts: an entry below a signed root, and every change refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tlog.errors import LogFormatError, ProofError
from core.tlog.log_checkpoint import TreeHead
from core.tlog.log_proof import LogProof, parse_log_proof, verify_log_proof
from core.tlog.merkle import MemoryTree, inclusion_proof, leaf_hash
from core.tlog.note import COSIGNATURE, Note, Signer

ORIGIN = "example.com/log"
LOG = Signer(ORIGIN, b"1" * 32)
WITNESSES = [
    Signer(f"example.com/w{number}", bytes([number]) * 32, COSIGNATURE)
    for number in (1, 2)
]
ENTRIES = [str(number).encode() for number in range(11)]
TREE = MemoryTree(map(leaf_hash, ENTRIES))
HEAD = TreeHead(ORIGIN, 11, TREE.root())


def receipt(index: int, *, witnesses: int = 0, extra: bytes = b"") -> LogProof:
    text = HEAD.text()
    lines = [LOG.sign(text)]
    lines += [w.cosign(text, signed_at_s=1000) for w in WITNESSES[:witnesses]]
    path = tuple(inclusion_proof(index, 11, TREE))
    return LogProof(index, path, str(Note(text, tuple(lines))), extra)


def verify(proof: LogProof, entry: bytes, least_witnesses: int = 0) -> TreeHead:
    return verify_log_proof(
        proof,
        entry,
        origin=ORIGIN,
        keys=[LOG.key],
        witnesses=[witness.key for witness in WITNESSES],
        least_witnesses=least_witnesses,
    )


@given(st.integers(0, 10), st.binary(max_size=50))
def test_a_receipt_is_written_read_and_verified(index, extra):
    proof = receipt(index, extra=extra)
    assert parse_log_proof(str(proof)) == proof
    assert verify(proof, ENTRIES[index]) == HEAD


def test_a_receipt_begins_as_the_specification_says():
    lines = str(receipt(3, extra=b"hi")).splitlines()
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra aGk=", "index 3"]
    assert lines[7:10] == ["", ORIGIN, "11"]
    assert str(receipt(3)).splitlines()[1] == "index 3"


def test_another_entry_index_or_path_is_refused():
    proof = receipt(3)
    with pytest.raises(ProofError, match="another root"):
        verify(proof, b"another")
    with pytest.raises(ProofError):
        verify(replace(proof, index=4), ENTRIES[3])
    with pytest.raises(ProofError, match="shorter"):
        verify(replace(proof, path=proof.path[:-1]), ENTRIES[3])


def test_a_witness_is_asked_for_by_number():
    assert verify(receipt(3, witnesses=2), ENTRIES[3], least_witnesses=2) == HEAD
    with pytest.raises(ProofError, match="1 of the witnesses have cosigned"):
        verify(receipt(3, witnesses=1), ENTRIES[3], least_witnesses=2)
    with pytest.raises(ProofError, match="none of the known keys"):
        verify(receipt(3), ENTRIES[3], least_witnesses=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text.replace("@v1", "@v2"),
        lambda text: text.replace("index 3", "index 03"),
        lambda text: text.replace("index 3\n", ""),
        lambda text: text.replace("index", "extra"),
        lambda text: text.replace("index 3\n", "index 3\nAAAA\n"),
        lambda text: text.replace("index 3\n", "index 3\n" + "A" * 43 + "=\n"),
        lambda text: text.replace("\n\n", "\n"),
        lambda text: text.replace("\n11\n", "\n12\n"),
        lambda text: text.replace("index 3\n", "index 3\n" + ("A" * 43 + "=\n") * 64),
    ],
)
def test_a_changed_receipt_is_refused(change):
    text = change(str(receipt(3)))
    with pytest.raises((LogFormatError, ProofError)):
        verify(parse_log_proof(text), ENTRIES[3])


@given(st.text())
def test_no_text_whatever_breaks_the_parser(text):
    with pytest.raises(LogFormatError):
        parse_log_proof(text)
