"""Rules of the whole report API: the form of errors, and how the schema shows them."""

from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import DatabaseError
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.metadata import BaseMetadata
from rest_framework.response import Response

from core.acts import sees_troubles
from core.errors import OperatorError
from core.refusals import envelope
from core.requests import BodyTooLargeError

log = structlog.get_logger(__name__)

# What Django itself finds wrong with a request while a view reads it.
_UNREADABLE = (
    BadRequest,
    MultiPartParserError,
    SuspiciousOperation,
    UnreadablePostError,
)
UNREADABLE = "The request cannot be read: send UTF-8 JSON with its length."
REFUSAL = {
    "type": "object",
    "description": "What was found and what to do, and a code for programs.",
    "properties": {"detail": {"type": "string"}, "code": {"type": "string"}},
    "required": ["detail", "code"],
    "additionalProperties": False,
}
MEANINGS = {
    400: "The address or the body cannot be read.",
    401: "A key or a session is needed; or the key is unknown, expired or revoked.",
    403: "The key, or the session's user, lacks the permission.",
    404: "The requested object does not exist.",
    409: "The present state does not allow this.",
    413: "The body is too large.",
    414: "The address is too long.",
    415: "The body is not announced as JSON.",
    422: "A value is not valid; `detail` begins with its name.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "The answer is not available now; try again later.",
}


class NoMetadata(BaseMetadata):
    """Answer OPTIONS by the header `Allow` alone: the schema says the rest."""

    def determine_metadata(self, request: Any, view: Any) -> dict[str, Any]:
        return {}


class KeyScheme(OpenApiAuthenticationExtension):
    target_class = "crunchsite.keys.authentication.KeyAuthentication"
    name = ["bearer", "apiKey"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        in_header = {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        return [{"type": "http", "scheme": "bearer"}, in_header]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self.name]  # either will do


class OperatorSessionScheme(SessionScheme):
    target_class = "core.permissions.OperatorSession"


def refuse(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer every error in one form: `{"detail": ..., "code": ...}`."""
    # Imported late: REST framework loads this module while it loads its views.
    from rest_framework.views import exception_handler

    match error:
        case OperatorError():
            why = reason_for(error, context["request"])
            return Response(envelope(why, error.code), status=error.status)
        case ValidationError():
            return Response(envelope(*_first(error.detail)), status=422)
        case RequestDataTooBig():
            error = BodyTooLargeError()
    if isinstance(error, _UNREADABLE):
        error = ParseError(UNREADABLE, code="request_invalid")
    response = exception_handler(error, context)
    if response is None:
        return None
    code = "not_found"
    if isinstance(error, APIException) and not isinstance(error, Http404):
        code = getattr(error.detail, "code", error.default_code)
    response.data = envelope(str(response.data["detail"]), code)
    return response


def reason_for(error: OperatorError, request: Any) -> str:
    """Return the text of a refusal that a request's user may read.

    From 500 on it names hosts, paths and code, which are for operators alone.
    """
    if error.status < 500:
        return str(error)
    log.warning("api.unavailable", code=error.code, why=str(error))
    try:
        is_told = sees_troubles(request.user)
    except DatabaseError:  # the user cannot be looked up either
        is_told = False
    return str(error) if is_told else MEANINGS[503]


def _first(detail: Any, path: str = "") -> tuple[str, str]:
    """Return the first problem of a nested ValidationError, with its field's path."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        label = "" if name == "non_field_errors" else f"{path}{name}: "
        return _first(inner, label)
    if isinstance(detail, list):
        return _first(detail[0], path)
    return f"{path}{detail}", detail.code


def without_aliases(endpoints: list[Any]) -> list[Any]:
    """For the schema: list each endpoint once, without its slash and /api/ aliases."""
    return [
        (path.rstrip("/"), regex, method, callback)
        for path, regex, method, callback in endpoints
        if not path.startswith("/api/") or path.startswith("/api/v1/")
    ]


def with_refusals(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """For the schema: add to each operation the errors that it can answer with."""
    result["components"]["schemas"]["Refusal"] = REFUSAL
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    result["components"]["responses"] = {
        f"Refused{status}": {"description": meaning, "content": content}
        for status, meaning in MEANINGS.items()
    }
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            for status in _statuses(path, method, operation):
                refused = {"$ref": f"#/components/responses/Refused{status}"}
                operation["responses"].setdefault(str(status), refused)
            security = operation.setdefault("security", [])
            is_open = method == "get" and not settings.ENV.api_read_auth
            if security and is_open:  # a session shows what is hidden
                security.append({})
    return result


def _statuses(path: str, method: str, operation: dict[str, Any]) -> set[int]:
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    statuses = {400, 401, 403, 429, 503} | ({414, 422} if names else set())
    is_named = names & {"competition", "snapshot_id"} or "{" in path
    if is_named or path.startswith("/livepool/"):
        statuses.add(404)
    if path.startswith("/reports/receipts/"):  # it may not be in the log yet
        statuses.add(409)
    if method != "get":
        statuses |= {409, 413, 415, 422}
    return statuses
