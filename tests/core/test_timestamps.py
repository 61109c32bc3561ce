"""A time stamp is one of this text, by a known authority, or it is refused."""

import pytest

from core.timestamps import (
    TimestampInvalidError,
    read_authorities,
    request_for,
    stamped_at,
)
from tests.fakes.authority import AT, Authority, rejection

NOTE = b"example.org/log\n5\n"


@pytest.fixture(scope="module")
def authority():
    return Authority()


def test_what_an_authority_stamped_verifies(authority):
    request = request_for(NOTE)
    answer = authority.answer(request.as_bytes())
    known = read_authorities(Authority("other.example").pem + authority.pem)
    assert stamped_at(answer, NOTE, known, request=request) == AT
    assert stamped_at(answer, NOTE, known) == AT  # later, by anybody


@pytest.mark.parametrize(
    ("answered", "why"),
    [
        (lambda tsa, query: Authority().answer(query), "verify"),
        (lambda tsa, query: tsa.answer(query, digest=b"1" * 32), "Mismatch"),
        (lambda tsa, query: tsa.answer(request_for(b"x").as_bytes()), "Nonce"),
        (lambda tsa, query: tsa.answer(query)[:-3], "parse"),
        (lambda tsa, query: tsa.answer(query).replace(b"2026", b"2025"), "verify"),
        (lambda tsa, query: rejection(), "SignedData"),
        (lambda tsa, query: b"<html>", "parse"),
        (lambda tsa, query: b"", "parse"),
    ],
)
def test_anything_else_is_refused(authority, answered, why):
    request = request_for(NOTE)
    answer = answered(authority, request.as_bytes())
    with pytest.raises(TimestampInvalidError, match=why):
        stamped_at(answer, NOTE, [authority.certificate], request=request)


@pytest.mark.filterwarnings("ignore")  # of certificates that are odd, but are read
@pytest.mark.parametrize(
    "other",
    [
        lambda byte: byte ^ 1,
        lambda byte: byte ^ 0x80,
        lambda byte: 0x03,  # the tag of a bit string, which few names may be
        lambda byte: 0x0F,  # a tag that is not known
    ],
)
def test_odd_bytes_anywhere_are_refused_or_change_nothing(authority, other):
    """What reads the certificates raises errors of its own for some of them."""
    request = request_for(NOTE)
    answer = authority.answer(request.as_bytes())
    for place in range(len(answer)):
        odd = bytearray(answer)
        odd[place] = other(odd[place])
        try:
            found = stamped_at(
                bytes(odd), NOTE, [authority.certificate], request=request
            )
        except TimestampInvalidError:
            continue
        assert found == AT


@pytest.mark.parametrize("pem", [b"", b"nonsense"])
def test_without_a_certificate_there_is_no_authority(pem, authority):
    with pytest.raises(ValueError, match="PEM"):
        read_authorities(pem)
    answer = authority.answer(request_for(NOTE).as_bytes())
    with pytest.raises(TimestampInvalidError, match="root certificate"):
        stamped_at(answer, NOTE, [])
