"""Let REST framework use the key's holder, which the middleware has found."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from core.acts import is_key
from core.permissions import REALM
from crunchsite.keys.holder import KeyHolder
from crunchsite.keys.models import ApiKey


class KeyAuthentication(BaseAuthentication):
    """Take the holder of the key that came with the request.

    No CSRF token is needed, because no browser sends a key by itself.
    """

    def authenticate(self, request: Request) -> tuple[KeyHolder, ApiKey] | None:
        holder: Any = request._request.user  # noqa: SLF001  as REST framework's own do
        return (holder, holder.key) if is_key(holder) else None

    def authenticate_header(self, request: Request) -> str:
        return REALM
