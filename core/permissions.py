"""Who may use the API: anybody reads, a write needs the permission for that act."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request


class OperatorSession(SessionAuthentication):
    """A session of the admin; who has none is told 401, not 403."""

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="crunchsite"'


class OpenReadPermittedWrite(BasePermission):
    """Let anybody read, unless API_READ_AUTH; operators write with the permission.

    A view names it in `write_permission`; a write that names none is nobody's.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.method not in view.allowed_methods:
            return True  # for nobody; 405 follows
        user = request.user
        is_operator = bool(user.is_active and user.is_staff)
        if request.method in SAFE_METHODS:
            return is_operator or not settings.ENV.api_read_auth
        needed = getattr(view, "write_permission", None)
        return is_operator and needed is not None and user.has_perm(needed)


def writes(permission: str) -> Callable[[Any], Any]:
    """Name the permission that the writes of a function view need.

    Stands above `api_view`: `@writes("emissions.change_checkpoint")`.
    """

    def decorate(view: Any) -> Any:
        view.cls.write_permission = permission
        return view

    return decorate
