"""Tell caches and clients who may keep an answer, and that they ask before using it."""

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_cache_control, patch_vary_headers

# What an answer depends on, beside its address: the format, and who asks.
ASKED_BY = ("Accept", "Authorization", "X-API-Key", "Cookie")


def tell_caches(request: HttpRequest, response: HttpResponseBase) -> None:
    """Let anybody's answers be kept by all caches, a key's or session's by its client.

    A view that has its own `Cache-Control` keeps it.
    """
    if not response.has_header("Cache-Control"):
        kept_by = "private" if request.user.is_authenticated else "public"
        patch_cache_control(response, no_cache=True, **{kept_by: True})
    patch_vary_headers(response, ASKED_BY)
