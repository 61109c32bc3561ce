"""Decide who may use the API: anybody reads, each write needs its permission."""

from collections.abc import Callable
from typing import Any

from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from core.acts import is_key, may

REALM = 'Bearer realm="crunchsite", Session realm="crunchsite"'


class OperatorSession(SessionAuthentication):
    """Authenticate by a session of the admin; without one, answer 401 and not 403."""

    def authenticate_header(self, request: Request) -> str:
        return REALM


class OpenReadPermittedWrite(BasePermission):
    """Let everybody read; operators and keys write if they have the permission.

    A view names it in `write_permission`; without it nobody may write. One that names a
    `read_permission` is read by those alone who have it.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.method not in view.allowed_methods:
            return True  # nobody may; REST framework then answers 405
        if request.method in SAFE_METHODS:
            needed = getattr(view, "read_permission", None)
            if needed is None:
                return True  # crunchsite.readers holds API_READ_AUTH at every address
        else:
            needed = getattr(view, "write_permission", None)
        if is_key(request.user):  # what REST framework answers, should it be refused
            self.code = "scope_insufficient"
            self.message = f"This key's scopes do not permit {needed or 'this'}."
        return needed is not None and may(request.user, needed)


def writes(permission: str) -> Callable[[Any], Any]:
    """Name the permission that the writes of a function view need.

    Stands above `api_view`: `@writes("emissions.settle_checkpoint")`.
    """

    def decorate(view: Any) -> Any:
        view.cls.write_permission = permission
        return view

    return decorate
