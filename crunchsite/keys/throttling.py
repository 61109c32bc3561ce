"""Limit how often a key, or an address without one, may ask; report it each time."""

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from core.refusals import envelope
from crunchsite.edge import is_api
from crunchsite.keys.buckets import BucketLevel, Buckets
from crunchsite.keys.holder import KeyHolder

BUCKETS = Buckets()
# A provider gives each customer a whole network of this length.
OF_A_HOST = 64


def take_turn(request: HttpRequest, holder: KeyHolder | None) -> BucketLevel | None:
    """Take a token of the caller; None if there is no limit, or it is unknown."""
    per_minute = (
        settings.ENV.api_rate_per_key if holder else settings.ENV.api_rate_per_address
    )
    if not per_minute:
        return None
    name = f"key:{holder.key.prefix}" if holder else f"address:{_address(request)}"
    return BUCKETS.take(name, per_minute=per_minute)


def _address(request: HttpRequest) -> str:
    text: str = request.META.get("REMOTE_ADDR", "")
    try:
        address = ip_address(text)
    except ValueError:
        return text[:64]
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, OF_A_HOST), strict=False))
    return text


def too_often(request: HttpRequest, standing: BucketLevel) -> HttpResponse:
    """Return the error for a request without a token."""
    detail = (
        f"Too many requests: {standing.size} a minute; "
        f"come back in {standing.next_in_s} s."
    )
    headers = {"Retry-After": str(standing.next_in_s)}
    if is_api(request.path_info):
        return JsonResponse(envelope(detail, "throttled"), status=429, headers=headers)
    return HttpResponse(
        detail, status=429, headers=headers, content_type="text/plain; charset=utf-8"
    )


def tell(response: HttpResponseBase, standing: BucketLevel) -> None:
    """Write the bucket's state into the answer's headers, in both usual spellings."""
    response["RateLimit-Policy"] = f'"minute";q={standing.size};w=60'
    response["RateLimit"] = f'"minute";r={standing.remaining};t={standing.full_in_s}'
    response["RateLimit-Limit"] = str(standing.size)
    response["RateLimit-Remaining"] = str(standing.remaining)
    response["RateLimit-Reset"] = str(standing.full_in_s)
