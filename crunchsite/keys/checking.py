"""Find who asks by the key in a request's headers; refuse a key that is no good."""

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest

from core import clock
from core.errors import OperatorError
from crunchsite.keys import tokens
from crunchsite.keys.holder import KeyHolder
from crunchsite.keys.key_scopes import KeyScope
from crunchsite.keys.models import ApiKey

log = structlog.get_logger(__name__)

LEGACY = "API_KEY"
# When a key was used is kept to the minute, so that reads do not become writes.
USED_S = 60
QUERY_NAMES = frozenset({"api_key", "apikey", "api-key", "x-api-key", "access_token"})


class KeyRefusedError(OperatorError):
    """A key that lets nobody in."""

    code = "key_refused"
    status = 401


class KeyInQueryError(KeyRefusedError):
    """A key in the address."""

    code = "key_in_query"
    status = 400


class KeyUnknownError(KeyRefusedError):
    """A text that is no key of this site."""

    code = "key_unknown"


class KeyExpiredError(KeyRefusedError):
    """A key whose time is over."""

    code = "key_expired"


class KeyRevokedError(KeyRefusedError):
    """A key that was taken back."""

    code = "key_revoked"


def holder_of(request: HttpRequest) -> KeyHolder | None:
    """Return who asks with the key in the headers; None when there is none.

    `X-API-Key` counts before `Authorization: Bearer`. Raises KeyRefusedError for a key
    that is unknown, expired or revoked, and for one in the address.
    """
    if _is_in_query(request):
        raise KeyInQueryError(
            "A key in the address ends up in logs: revoke it, and send the new one as "
            "X-API-Key or Authorization: Bearer.",
        )
    token = _given(request)
    if not token:
        return None
    if settings.ENV.api_key and tokens.is_same(
        token, tokens.digest_of(settings.ENV.api_key)
    ):
        return KeyHolder(ApiKey(name=LEGACY, prefix=LEGACY, scopes=[KeyScope.ADMIN]))
    key, now = _find(token), clock.now()
    state = key.state_at(now)
    if state != "live":
        log.warning("key.refused", state=state, key=str(key))
        refused = KeyRevokedError if state == "revoked" else KeyExpiredError
        raise refused(f"The key {key.shown} is {state}; ask for a new one.")
    _note_use(key, now)
    return KeyHolder(key)


def _is_in_query(request: HttpRequest) -> bool:
    """Whether the address holds a key by its parameter's name, or by what it is."""
    return any(
        name.lower() in QUERY_NAMES or any(map(tokens.TOKEN.search, [name, *values]))
        for name, values in request.GET.lists()
    )


def _given(request: HttpRequest) -> str:
    if key := request.headers.get("X-API-Key", "").strip():
        return key
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _find(token: str) -> ApiKey:
    prefix = tokens.prefix_of(token)
    key = ApiKey.objects.filter(prefix=prefix).first() if prefix else None
    if key is None or not tokens.is_same(token, key.digest):
        raise KeyUnknownError("There is no such key; a key is csk_ and 52 characters.")
    return key


def _note_use(key: ApiKey, now: datetime) -> None:
    """Keep when the key was used: one write a minute, of however many requests."""
    since = now - timedelta(seconds=USED_S)
    if key.last_used_at is not None and since < key.last_used_at <= now:
        return
    ApiKey.objects.filter(
        Q(last_used_at=None) | Q(last_used_at__lte=since) | Q(last_used_at__gt=now),
        pk=key.pk,
    ).update(last_used_at=now)
