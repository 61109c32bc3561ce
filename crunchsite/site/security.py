"""Serve security.txt: where to report a vulnerability (RFC 9116)."""

from datetime import UTC, timedelta

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from core import clock

GOOD_FOR = timedelta(days=90)


@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """Return the contact and how long it is valid; 404 if the operator gave none."""
    contact = settings.ENV.security_contact
    if not contact:
        raise Http404
    expires_at = (clock.wall_now() + GOOD_FOR).astimezone(UTC)
    lines = [
        f"Contact: {contact}",
        f"Expires: {expires_at:%Y-%m-%dT00:00:00Z}",
        "Preferred-Languages: en",
        f"Canonical: {request.build_absolute_uri(request.path)}",
        "",
    ]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")
