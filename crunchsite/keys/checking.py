"""Find the holder of the key in a request's headers; refuse an invalid key."""

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
# The last use of a key is stored to the minute, so that reads do not become writes.
USED_S = 60
QUERY_NAMES = frozenset({"api_key", "apikey", "api-key", "x-api-key", "access_token"})


class KeyRefusedError(OperatorError):
    """The key is not valid."""

    code = "key_refused"
    status = 401


class KeyInQueryError(KeyRefusedError):
    """The address contains a key."""

    code = "key_in_query"
    status = 400


class KeyUnknownError(KeyRefusedError):
    """The text is not a key of this site."""

    code = "key_unknown"


class KeyExpiredError(KeyRefusedError):
    """The key has expired."""

    code = "key_expired"


class KeyRevokedError(KeyRefusedError):
    """The key was revoked."""

    code = "key_revoked"


def holder_of(request: HttpRequest) -> KeyHolder | None:
    """Return the holder of the key in the headers; None without a key.

    `X-API-Key` takes precedence over `Authorization: Bearer`. Raises KeyRefusedError
    for a key that is unknown, expired or revoked, and for one in the address.
    """
    if _is_in_address(request):
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


def _is_in_address(request: HttpRequest) -> bool:
    """Return whether path or query hold a key, or a parameter is named as one."""
    return tokens.TOKEN.search(request.path_info) is not None or any(
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
    """Store when the key was used: at most one write a minute."""
    since = now - timedelta(seconds=USED_S)
    if key.last_used_at is not None and since < key.last_used_at <= now:
        return
    ApiKey.objects.filter(
        Q(last_used_at=None) | Q(last_used_at__lte=since) | Q(last_used_at__gt=now),
        pk=key.pk,
    ).update(last_used_at=now)
