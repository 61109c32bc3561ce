"""Add response headers that the libraries do not set."""

from collections.abc import Callable

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

# The admin's theme uses Alpine, which compiles its attributes and sets styles. It has
# no inline scripts either.
_ADMIN_POLICY = {
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
}
_UNUSED_FEATURES = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


def headers(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Add a Permissions-Policy; loosen the CSP where the admin's theme needs it."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response["Permissions-Policy"] = _UNUSED_FEATURES
        if request.path.startswith(reverse("admin:index")):
            response._csp_replace = _ADMIN_POLICY  # type: ignore[attr-defined]  # noqa: SLF001  as csp.decorators do
        return response

    return middleware
