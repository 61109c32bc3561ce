"""Refuse malformed requests before any other code reads them.

The API always answers in JSON; pages show an error page.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import unquote_to_bytes, urlencode

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import redirect, render
from django.urls import reverse

from core.refusals import envelope
from core.texts import readable, storable

Handler = Callable[[HttpRequest], HttpResponseBase]

LONGEST_PATH = 2_000
LONGEST_QUERY = 16_000
# Under these addresses are programs; `/livepool` itself is a page.
API_PATHS = re.compile(
    r"/(api|custom|data|docs|healthz|info|metrics|openapi\.json|readyz|redoc|reports"
    r"|schema|timing-metrics|tournament)(/|$)|/livepool/.|/log/.",
    re.DOTALL,
)
PAGES = {404: "404.html"}
CODES = {
    400: "request_invalid",
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    414: "address_too_long",
    416: "range_invalid",
    429: "throttled",
}


def is_api(path: str) -> bool:
    """Return whether the address belongs to the API, which answers in JSON."""
    return API_PATHS.match(path) is not None


def head_as_get(get_response: Handler) -> Handler:
    """Answer HEAD as GET with the same headers, and without the body (RFC 9110).

    A web server that sent the body would break the connection for the next request.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.method != "HEAD":
            return get_response(request)
        request.method = request.META["REQUEST_METHOD"] = "GET"
        response = get_response(request)
        if not response.has_header("Content-Length"):
            response["Content-Length"] = str(sum(map(len, response)))
        if isinstance(response, StreamingHttpResponse):
            response.streaming_content = ()
        elif isinstance(response, HttpResponse):
            response.content = b""
        return response

    return middleware


def json_for_programs(get_response: Handler) -> Handler:
    """Convert each error page of the API to its JSON form.

    The first middleware, so that errors of other middleware and of Django are converted
    too.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if (
            response.status_code >= 400
            and isinstance(response, HttpResponse)
            and is_api(request.path_info)
            and not response.get("Content-Type", "").startswith("application/json")
        ):
            refusal = _refused(request, response.status_code)
            response.content = refusal.content
            response["Content-Type"] = refusal["Content-Type"]
            for stale in ("Content-Length", "ETag", "Content-Disposition"):
                response.headers.pop(stale, None)
        return response

    return middleware


def refuse_malformed(get_response: Handler) -> Handler:
    """Refuse addresses and headers with what no text can hold, or without an end.

    Nothing behind this meets a NUL in a path, a parameter or a cookie. An admin's list
    is shown without the parameters that hold one.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        query = request.META.get("QUERY_STRING", "")
        if len(request.path_info) > LONGEST_PATH or len(query) > LONGEST_QUERY:
            return _answer(request, 414)
        if readable(request.path_info, limit=LONGEST_PATH) != request.path_info:
            return _answer(request, 404)
        if any("\0" in value for value in _header_values(request)):
            return _answer(request, 400)
        if b"\0" in unquote_to_bytes(query):
            if request.method == "GET" and is_admin(request.path_info):
                return _without_nul(request)
            return _answer(request, 400)
        request.COOKIES = {
            name: value
            for name, value in request.COOKIES.items()
            if storable(value) == value
        }
        return get_response(request)

    return middleware


def is_admin(path: str) -> bool:
    return path.startswith(reverse("admin:index"))


def _header_values(request: HttpRequest) -> list[str]:
    return [v for name, v in request.META.items() if name.startswith("HTTP_")]


def _without_nul(request: HttpRequest) -> HttpResponseBase:
    kept = [
        (name, value)
        for name, values in request.GET.lists()
        for value in values
        if storable(name + value) == name + value
    ]
    return redirect(f"{request.path}?{urlencode(kept)}" if kept else request.path)


def _answer(request: HttpRequest, status: int) -> HttpResponseBase:
    if is_api(request.path_info):
        return _refused(request, status)
    return render(request, PAGES.get(status, "400.html"), status=status)


def _refused(request: HttpRequest, status: int) -> JsonResponse:
    phrase = HTTPStatus(status).phrase
    where = f"{request.method} {readable(request.path_info, limit=200)}"
    detail = f"{phrase}: {where}; /schema lists what can be asked."
    code = CODES.get(status, "server_error" if status >= 500 else "request_invalid")
    return JsonResponse(envelope(detail, code), status=status)
