"""Decide who may read: anybody, unless API_READ_AUTH or the lists of API_KEY say no.

With API_KEY, the prefix of an address decides whether it is open or needs a key or a
session: API_PUBLIC_PREFIXES first, then API_ADMIN_PREFIXES, and API_READ_AUTH for the
rest. Each view decides itself whether a write is permitted.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django_htmx.http import HttpResponseClientRefresh

from core.acts import is_known
from core.permissions import REALM
from core.refusals import envelope
from crunchsite.caches import tell_caches
from crunchsite.custom import custom_name
from crunchsite.edge import Handler, is_api

# They show no data, and their users (monitoring, reporters of flaws) have no account.
OPEN = {"healthz", "readyz", "info", "security-txt"}
# It has its own rule, whatever the settings.
ASKS_BY_ITSELF = "metrics"


def is_apart(request: HttpRequest) -> bool:
    """Return whether this is the admin, which checks users itself, or is open."""
    match = request.resolver_match
    if match is None or match.namespaces[:1] == ["admin"]:
        return True
    return (
        match.url_name in OPEN and custom_name(match) is None
    )  # not one of the operator's endpoints


class ReadersMiddleware:
    """Refuse anonymous readers where a login is needed, also at new addresses.

    Tells caches of every answer whose it is.

    Programs get 401 or 403, people are redirected to the login.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        # Who asks cannot be looked up while the database is gone.
        if response.status_code < 500 and not is_apart(request):
            tell_caches(request, response)
        return response

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponseBase | None:
        if is_apart(request) or not _is_closed(request.path_info):
            return None
        match = request.resolver_match
        if match and match.url_name == ASKS_BY_ITSELF and custom_name(match) is None:
            return None
        if is_known(request.user):
            return None
        if request.user.is_authenticated:
            raise PermissionDenied
        if is_api(request.path_info):
            return _who_are_you()
        if getattr(request, "htmx", False):
            return HttpResponseClientRefresh()
        return redirect_to_login(request.get_full_path())


def _is_closed(path: str) -> bool:
    """Return whether reading here needs a key or a session."""
    env = settings.ENV
    if env.api_key:
        # The view answers with and without /api; a list may name only the former.
        paths = path.rstrip("/"), path.rstrip("/").removeprefix("/api")
        if any(each.startswith(env.public_prefixes) for each in paths):
            return False
        if any(each.startswith(env.admin_prefixes) for each in paths):
            return True
    return env.api_read_auth


def _who_are_you() -> JsonResponse:
    body = envelope("API key required", "not_authenticated")
    return JsonResponse(body, status=401, headers={"WWW-Authenticate": REALM})
