"""Ask an authority for time stamps of a text, and verify them (RFC 3161).

A time stamp says that the text existed at an instant by the authority's clock. It is
kept as the authority's answer, which OpenSSL (`openssl ts -verify`) verifies too.
"""

from collections.abc import Sequence
from datetime import datetime

from cryptography.x509 import (
    Certificate,
    DuplicateExtension,
    InvalidVersion,
    UnsupportedGeneralNameType,
    load_pem_x509_certificates,
)
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from core.texts import message_of, one_line

REQUEST_TYPE = "application/timestamp-query"
LARGEST_ANSWER = 65_536
LONGEST_REASON = 200
# What reading and verifying an answer raises. All but the first two come from the
# certificates in it: their versions, extensions, and the types of names.
_REFUSALS = (
    *(VerificationError, ValueError),
    *(InvalidVersion, DuplicateExtension, UnsupportedGeneralNameType),
    *(KeyError, TypeError),
)


class TimestampInvalidError(Exception):
    """An answer is no time stamp of the text by a known authority; it says why."""


def read_authorities(pem: bytes) -> list[Certificate]:
    """Return the certificates of a PEM file; raises ValueError without any."""
    return load_pem_x509_certificates(pem)


def request_for(data: bytes) -> TimeStampRequest:
    """Return a request for a time stamp of data, with a new nonce."""
    builder = TimestampRequestBuilder().data(data)
    return builder.hash_algorithm(HashAlgorithm.SHA256).build()


def stamped_at(
    answer: bytes,
    data: bytes,
    authorities: Sequence[Certificate],
    *,
    request: TimeStampRequest | None = None,
) -> datetime:
    """Return when data was stamped; raises TimestampInvalidError.

    `answer` must be signed under one of the authorities, be about the data, and answer
    the request if one is given.
    """
    builder = VerifierBuilder()
    if request is not None:
        builder = VerifierBuilder.from_request(request)
    for each in dict.fromkeys(authorities):
        builder = builder.add_root_certificate(each)
    try:
        response = decode_timestamp_response(answer)
        builder.build().verify_message(response, data)
        at: datetime = response.tst_info.gen_time
    except _REFUSALS as error:
        why = one_line(message_of(error), limit=LONGEST_REASON)
        raise TimestampInvalidError(why) from None
    return at
