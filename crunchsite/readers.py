"""API_READ_AUTH: with it, operators alone read, at every address that there is."""

from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django_htmx.http import HttpResponseClientRefresh
from rest_framework import exceptions

from core.acts import is_operator
from core.permissions import REALM
from core.refusals import envelope
from crunchsite.custom import name_of
from crunchsite.edge import Handler, is_api

# They show no data; who watches the site, or reports a flaw, has no account.
OPEN = {"healthz", "readyz", "info", "security-txt"}


class ReadersMiddleware:
    """Refuse strangers under API_READ_AUTH; an address that is new is closed too.

    Programs are told 401 or 403, people are led to the login. The admin asks by itself.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponseBase | None:
        match = request.resolver_match
        if not settings.ENV.api_read_auth or match is None:
            return None
        if match.url_name in OPEN and name_of(match) is None:
            return None
        if "admin" in match.namespaces or is_operator(request.user):
            return None
        if request.user.is_authenticated:
            raise PermissionDenied
        if is_api(request.path_info):
            return _who_are_you()
        if getattr(request, "htmx", False):
            return HttpResponseClientRefresh()
        return redirect_to_login(request.get_full_path())


def _who_are_you() -> JsonResponse:
    error = exceptions.NotAuthenticated()
    body = envelope(str(error.detail), str(error.default_code))
    return JsonResponse(body, status=401, headers={"WWW-Authenticate": REALM})
