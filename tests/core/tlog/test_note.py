"""Signed notes, vkeys and cosignatures: published examples, and what is none."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tlog.errors import LogFormatError, ProofError
from core.tlog.note import (
    COSIGNATURE,
    Note,
    SignatureLine,
    Signer,
    VerifierKey,
    cosigned_at_s,
    parse_note,
    parse_signatures,
    parse_vkey,
    verify_note,
)

# golang.org/x/mod/sumdb/note prints these of its key PeterNeumann.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""  # noqa: E501
# The example of c2sp.org/tlog-cosignature.
COSIGNED = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501
LOG = Signer("example.com/log", b"1" * 32)
WITNESS = Signer("example.com/witness", b"2" * 32, COSIGNATURE)
TEXT = "a text\n"


def signed(*lines: SignatureLine, text: str = TEXT) -> Note:
    return Note(text, lines)


def test_a_note_of_go_is_verified_and_written_as_it_was():
    note = parse_note(PETER)
    assert verify_note(note, [parse_vkey(VKEY)]) == [parse_vkey(VKEY)]
    assert str(note) == PETER
    assert str(parse_vkey(VKEY)) == VKEY


def test_the_published_cosignature_says_when_it_was_made():
    note = parse_note(COSIGNED)
    assert str(note) == COSIGNED
    assert [line.name for line in note.signatures] == [
        "example.com/behind-the-sofa",
        "witness.example.com/w1",
    ]
    assert cosigned_at_s(note.signatures[1]) == 1_679_315_147


def test_a_changed_text_is_refused_by_name():
    note = signed(LOG.sign(TEXT), text="another\n")
    with pytest.raises(ProofError, match=r"by example\.com/log does not hold"):
        verify_note(note, [LOG.key])


def test_signatures_of_unknown_keys_are_ignored():
    stranger = Signer("example.com/stranger", b"3" * 32)
    note = signed(stranger.sign("another\n"), LOG.sign(TEXT))
    assert verify_note(note, [LOG.key]) == [LOG.key]


def test_a_key_of_the_same_name_is_another_key():
    namesake = Signer("example.com/log", b"4" * 32)
    with pytest.raises(ProofError, match="none of the known keys"):
        verify_note(signed(namesake.sign(TEXT)), [LOG.key])


def test_a_cosignature_covers_its_instant():
    line = WITNESS.cosign(TEXT, signed_at_s=1000)
    assert verify_note(signed(line), [WITNESS.key]) == [WITNESS.key]
    later = SignatureLine(
        line.name, line.key_id, (1001).to_bytes(8, "big") + line.signature[8:]
    )
    with pytest.raises(ProofError, match="does not hold"):
        verify_note(signed(later), [WITNESS.key])


@pytest.mark.parametrize("signed_at_s", [-1, 2**63])
def test_the_instant_of_a_cosignature_has_a_range(signed_at_s):
    with pytest.raises(LogFormatError, match="out of range"):
        WITNESS.cosign(TEXT, signed_at_s=signed_at_s)


def test_each_kind_of_key_signs_in_its_own_way():
    with pytest.raises(LogFormatError, match="signs with an instant"):
        WITNESS.sign(TEXT)
    with pytest.raises(LogFormatError, match="only a key for cosignatures"):
        LOG.cosign(TEXT, signed_at_s=0)
    with pytest.raises(LogFormatError, match="no signature of kind 2"):
        Signer("a", b"1" * 32, 2)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\nb", "a\x00b"])
def test_a_name_has_no_space_and_no_plus(name):
    with pytest.raises(LogFormatError, match="a key's name"):
        Signer(name, b"1" * 32)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        VKEY.replace("c74f20a3", "c74f20a4"),
        VKEY.replace("PeterNeumann", "Peter"),
        VKEY[:-4],
        VKEY.replace("+AR", "+BR"),
        VKEY + "=",
    ],
)
def test_a_changed_vkey_is_refused(text):
    with pytest.raises(LogFormatError):
        parse_vkey(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a text\n",
        PETER[:-1],
        PETER.replace("—", "-"),
        PETER.replace("\n", "\r\n"),
        PETER.replace("If", "\x00"),
        PETER + "\n",
        PETER + "more\n",
        PETER.replace(" x08go", " x08go*"),
        "a\n\n— a YQ==\n",
        "a\n\n" + "— a " + "A" * 100_000 + "\n",
        "a\n\n" + "— a AAAAAAAA\n" * 101,
    ],
)
def test_what_is_no_note_is_refused(text):
    with pytest.raises(LogFormatError):
        parse_note(text)


def test_a_text_may_hold_empty_lines():
    note = signed(LOG.sign("a\n\nb\n"), text="a\n\nb\n")
    assert parse_note(str(note)) == note


@given(st.text())
def test_no_text_whatever_breaks_the_parsers(text):
    for parse in (parse_note, parse_signatures, parse_vkey):
        try:
            found = parse(text)
        except LogFormatError:
            continue
        assert str(found) == text or not isinstance(found, Note)


@given(
    text=st.from_regex(
        re.compile(r"[^\x00-\x1f\ud800-\udfff]{1,40}\n"), fullmatch=True
    ),
    private=st.binary(min_size=32, max_size=32),
    at=st.integers(0, 2**63 - 1),
)
def test_what_is_signed_is_read_and_verified(text, private, at):
    log, witness = Signer("log", private), Signer("witness", private, COSIGNATURE)
    note = signed(log.sign(text), witness.cosign(text, signed_at_s=at), text=text)
    keys = [log.key, witness.key]
    assert parse_note(str(note)) == note
    assert verify_note(note, keys) == keys
    assert [parse_vkey(str(key)) for key in keys] == keys
    assert log.key.key_id != witness.key.key_id


def test_the_same_key_has_another_id_for_each_kind():
    assert (
        VerifierKey("a", 1, b"1" * 32).key_id != VerifierKey("a", 4, b"1" * 32).key_id
    )
