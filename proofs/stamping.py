"""Have signed heads stamped by an authority of time stamps (RFC 3161), if one is named.

A head that was stamped was there at that instant by the authority's clock, with all
that it covers.
"""

from datetime import datetime
from pathlib import Path

import requests
import structlog
from cryptography.x509 import Certificate
from django.conf import settings

from core.deadline import Late, in_time
from core.public_addresses import exchange
from core.texts import message_of
from core.timestamps import (
    LARGEST_ANSWER,
    REQUEST_TYPE,
    TimestampInvalidError,
    read_authorities,
    request_for,
    stamped_at,
)
from proofs.errors import TimestampError
from proofs.models import LogCheckpoint, LogTimestamp

log = structlog.get_logger(__name__)

PATIENCE_S = 15.0
OK = 200


def stamp() -> int:
    """Have the newest head stamped; return its size, or 0 when there is none to stamp.

    Does nothing without LOG_TIMESTAMP_URL. What does not verify is not kept. Raises
    TimestampError, and AddressRefusedError for an authority that is not public.
    """
    url = settings.ENV.log_timestamp_url
    head = LogCheckpoint.objects.first()
    if not url or head is None or LogTimestamp.objects.filter(head=head).exists():
        return 0
    known, note = authorities(), head.note.encode()
    try:
        answer, at = in_time(
            lambda: _ask(url, note, known), PATIENCE_S, key="log_timestamp"
        )
    except (
        requests.RequestException,
        Late,
        RuntimeError,  # the library's native part gave up
        TimestampInvalidError,
    ) as error:
        raise TimestampError(
            f"the authority's answer cannot be used: {message_of(error)}."
        ) from None
    LogTimestamp.objects.get_or_create(
        head=head, defaults={"answer": answer, "stamped_at": at}
    )
    log.info("log.stamped", size=head.size, at=at.isoformat())
    return head.size


def authorities() -> list[Certificate]:
    """Return the certificates that time stamps must lead to; raises TimestampError."""
    try:
        return read_authorities(Path(settings.ENV.log_timestamp_ca).read_bytes())
    except (OSError, ValueError):  # who sees the log's troubles need not see paths
        raise TimestampError(
            "LOG_TIMESTAMP_CA names no file with the authority's certificates (PEM)."
        ) from None


def _ask(url: str, note: bytes, known: list[Certificate]) -> tuple[bytes, datetime]:
    request = request_for(note)
    status, answer = exchange(
        url,
        request.as_bytes(),
        media_type=REQUEST_TYPE,
        patience_s=PATIENCE_S,
        largest=LARGEST_ANSWER,
    )
    if status != OK:
        raise TimestampInvalidError(f"it answered {status}")
    return answer, stamped_at(answer, note, known, request=request)
