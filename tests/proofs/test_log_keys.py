"""The key is a file for its owner only, or LOG_KEY; anything else is refused."""

import pytest

from core.tlog.note import Note, verify_note
from proofs import log_keys
from proofs.errors import LogKeyError
from tests.proofs.conftest import ORIGIN


def test_a_key_that_was_made_signs(log_key):
    (signer,) = log_keys.signers()
    note = Note("text\n", (signer.sign("text\n"),))
    assert verify_note(note, [log_key]) == [log_key]
    assert log_key.name == ORIGIN
    assert log_keys.key_file().stat().st_mode & 0o777 == 0o600


def test_a_key_in_the_environment_needs_no_file(keyless, settings):
    line = log_keys.new_key(ORIGIN)
    settings.ENV = settings.ENV.model_copy(update={"log_key": line})
    (signer,) = log_keys.signers()
    assert line.split("+")[3] == signer.key.key_id.hex()
    assert not log_keys.ensure_key(ORIGIN)
    assert line not in repr(settings.ENV)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.chmod(0o644), "others may read"),
        (lambda path: path.write_text(""), "holds no key"),
        (lambda path: path.write_text("PRIVATE+KEY+a+00000000+AA=="), "something else"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "cannot be read"),
        (lambda path: path.write_text(path.read_text()[:-9]), "something else"),
        (
            lambda path: path.write_text(
                f"{path.read_text()}{log_keys.new_key('other.org/log')}"
            ),
            "different names",
        ),
    ],
)
def test_what_cannot_be_used_as_a_key_is_refused(log_key, spoil, told):
    spoil(log_keys.key_file())
    with pytest.raises(LogKeyError, match=told):
        log_keys.signers()


def test_the_private_key_is_in_no_refusal(log_key):
    path = log_keys.key_file()
    secret = path.read_text().split("+", 4)[4].strip()
    path.write_text(path.read_text().replace("PRIVATE", "PUBLIC"))
    with pytest.raises(LogKeyError) as refused:
        log_keys.signers()
    assert secret not in str(refused.value)


@pytest.mark.parametrize("origin", ["", "a b", "a+b"])
def test_an_origin_that_no_note_can_have_is_refused(origin):
    with pytest.raises(LogKeyError, match="origin was"):
        log_keys.new_key(origin)
