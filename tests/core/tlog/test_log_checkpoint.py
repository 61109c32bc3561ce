"""Log checkpoints: their signed content, and their signers."""

import pytest

from core.tlog.errors import LogFormatError, ProofError
from core.tlog.log_checkpoint import TreeHead, open_log_checkpoint, parse_tree_head
from core.tlog.note import Note, Signer

# The example of c2sp.org/tlog-checkpoint.
TEXT = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""
LOG = Signer("example.com/behind-the-sofa", b"1" * 32)


def test_the_published_example_is_read_and_written():
    head = parse_tree_head(TEXT)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert head.root.hex()[:8] == "0ac5186a"
    assert head.text() == TEXT


def test_an_empty_log_has_size_0():
    head = TreeHead("log", 0, b"0" * 32)
    assert parse_tree_head(head.text()) == head


def test_extension_lines_are_signed_and_say_nothing():
    text = TEXT + "more\n"
    note = str(Note(text, (LOG.sign(text),)))
    head, found = open_log_checkpoint(note, origin=LOG.key.name, keys=[LOG.key])
    assert head == parse_tree_head(TEXT)
    assert found.text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        TEXT[:-1],
        TEXT.replace("20852163", "020852163"),
        TEXT.replace("20852163", "-1"),
        TEXT.replace("20852163", "9" * 20),
        TEXT.replace("20852163", "\u0661"),  # a digit, though not of ASCII
        TEXT.replace("CsUY", ""),
        TEXT.replace("=", ""),
        TEXT.replace("example.com/behind-the-sofa", ""),
        TEXT + "\n",
    ],
)
def test_what_is_no_log_checkpoint_is_refused(text):
    with pytest.raises(LogFormatError):
        parse_tree_head(text)


def test_one_of_another_log_is_refused():
    note = str(Note(TEXT, (LOG.sign(TEXT),)))
    with pytest.raises(ProofError, match=r"not 'example\.com/other'"):
        open_log_checkpoint(note, origin="example.com/other", keys=[LOG.key])


def test_one_that_nobody_known_signed_is_refused():
    other = Signer("example.com/other", b"2" * 32)
    note = str(Note(TEXT, (other.sign(TEXT),)))
    with pytest.raises(ProofError, match="none of the known keys"):
        open_log_checkpoint(note, origin=LOG.key.name, keys=[LOG.key])
