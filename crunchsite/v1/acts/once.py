"""Do what a request asks for once, however often it comes with its `Idempotency-Key`.

The answer is kept in the transaction of the act: both are there, or neither. Meanwhile
the key is held by a lock of the database session, which ends with the process, so a
request that died half way stands in nobody's way. An act that reaches beyond the
database (files, a whole score cycle) is kept after it was done; if the process dies in
between, a repeat does it again, which such acts bear.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import structlog
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import QueryDict
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.errors import OperatorError
from core.keeping import kept_since
from core.only_one import only_one
from crunchsite.events.secrets import seal, unseal
from crunchsite.v1.acts.models import Answer

log = structlog.get_logger(__name__)

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
A_STEP = 5_000  # answers deleted in one transaction
MOST_STEPS = 200  # in one hour
_KEY = re.compile(r"[!-~]{1,200}")


class BadIdempotencyKeyError(OperatorError):
    """A header that is no key."""

    code = "idempotency_invalid"
    status = 400


class MismatchError(OperatorError):
    """A key that came with another request before."""

    code = "idempotency_mismatch"
    status = 422


class InProgressError(OperatorError):
    """A key whose first request is still at work."""

    code = "idempotency_in_progress"
    status = 409


def once(
    request: Request, act: Callable[[], Response], *, is_atomic: bool = True
) -> Response:
    """Return the act's answer, or the one that it gave to this key before.

    Without a key the act is done each time. A refusal is not kept: it did nothing, and
    a repeat may fare better. Raises BadIdempotencyKeyError, MismatchError or
    InProgressError.
    """
    key = request.headers.get(HEADER)
    whole = transaction.atomic if is_atomic else nullcontext
    if key is None:
        with whole():
            return act()
    if not _KEY.fullmatch(key):
        raise BadIdempotencyKeyError(
            f"{HEADER} was no key; give 1 to 200 printable ASCII characters."
        )
    holder, digest = request.user.pk, _digest(request)
    assert holder is not None  # nobody else has the permission
    with _held(f"{holder} {key}"):
        kept = Answer.objects.filter(holder=holder, key=key).first()
        if kept is not None and kept.created_at > clock.wall_now() - KEPT:
            return _again(kept, digest)
        with whole():
            answer = act()
            _keep(answer, holder=holder, key=key, digest=digest)
    return answer


def prune() -> int:
    """Delete answers that are kept no longer, in steps; returns how many."""
    answers, now = Answer.objects.all(), clock.wall_now()
    before = kept_since(answers, "created_at", keep=KEPT, now=now)
    deleted = 0
    for _ in range(MOST_STEPS):
        old = answers.filter(created_at__lte=before).order_by("created_at")
        step, _ = Answer.objects.filter(pk__in=old.values("pk")[:A_STEP]).delete()
        deleted += step
        if step < A_STEP:
            break
    if deleted:
        log.info("answers.pruned", answers=deleted)
    return deleted


@contextmanager
def _held(name: str) -> Iterator[None]:
    """Hold a name alone; raises InProgressError at once when somebody else does."""
    digest = hashlib.sha256(name.encode()).digest()
    lock = int.from_bytes(digest[:8], signed=True)
    with only_one(lock) as is_only:
        if not is_only:
            raise InProgressError(
                f"The first request with this {HEADER} is at work; ask again soon."
            )
        yield


def _again(kept: Answer, digest: str) -> Response:
    if kept.digest != digest:
        raise MismatchError(
            f"This {HEADER} came with another request before; take a new one."
        )
    body = json.loads(unseal(kept.body))
    return Response(body, kept.status, headers={"Idempotency-Replayed": "true"})


def _keep(answer: Response, *, holder: int, key: str, digest: str) -> None:
    body = JSONRenderer().render(answer.data).decode() or "null"
    Answer.objects.update_or_create(
        holder_id=holder,
        key=key,
        defaults={
            "digest": digest,
            "status": answer.status_code,
            "body": seal(body),
            "created_at": clock.wall_now(),
        },
    )


def _digest(request: Request) -> str:
    """Return a digest of what is asked: method, address, and the body as it was read.

    A form's boundary and a JSON body's spaces differ between repeats and mean nothing.
    """
    data = request.data
    if isinstance(data, QueryDict):
        data = {name: [_plain(each) for each in data.getlist(name)] for name in data}
    asked = [request.method, request.get_full_path(), data]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Return a form's text as it is, and of a file its name and digest."""
    if not isinstance(value, UploadedFile):
        return value
    content = hashlib.sha256()
    for chunk in value.chunks():
        content.update(chunk)
    value.seek(0)
    return [value.name, content.hexdigest()]
