"""The report API's own rules: who may, how errors look, what the schema shows."""

from typing import Any

from django.conf import settings
from django.http import Http404
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from feeds.errors import OperatorError


class OpenReadOperatorWrite(BasePermission):
    """Anybody reads, unless API_READ_AUTH; operators (staff) write."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.method in SAFE_METHODS and not settings.ENV.api_read_auth:
            return True
        return bool(request.user.is_active and request.user.is_staff)


def refuse(error: Exception, context: dict[str, Any]) -> Response | None:
    """One envelope for every refusal: `{"detail": ..., "code": ...}`."""
    if isinstance(error, OperatorError):
        return Response({"detail": str(error), "code": error.code}, status=503)
    if isinstance(error, ValidationError):
        detail, code = _first(error.detail)
        return Response({"detail": detail, "code": code}, status=422)
    # Imported late: REST framework loads this module while it loads its views.
    from rest_framework.views import exception_handler

    response = exception_handler(error, context)
    if response is None:
        return None
    code = "not_found"
    if isinstance(error, APIException) and not isinstance(error, Http404):
        code = getattr(error.detail, "code", error.default_code)
    response.data = {"detail": str(response.data["detail"]), "code": code}
    return response


def _first(detail: Any, path: str = "") -> tuple[str, str]:
    """The first problem of a nested ValidationError, with the path to its field."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        label = "" if name == "non_field_errors" else f"{path}{name}: "
        return _first(inner, label)
    if isinstance(detail, list):
        return _first(detail[0], path)
    return f"{path}{detail}", detail.code


def without_aliases(endpoints: list[Any]) -> list[Any]:
    """For the schema: each endpoint once, without its slash and its /api/ alias."""
    return [
        (path.rstrip("/"), regex, method, callback)
        for path, regex, method, callback in endpoints
        if not path.startswith("/api/")
    ]
