"""What caches and clients are told of an answer: whose it is, if it changed."""

import hashlib
from typing import Any

from django.http import HttpResponseBase
from django.utils.cache import patch_cache_control, patch_vary_headers

from core.acts import is_known

ASKED_BY = ("Accept", "Authorization", "X-API-Key", "Cookie")


def tell_caches(response: HttpResponseBase, user: Any) -> None:
    """Let everybody's answers be kept by anyone, and those of a key or session by it.

    Whoever keeps one asks before using it again (`no-cache`), which costs a 304.
    """
    whose = {"private": True} if is_known(user) else {"public": True}
    patch_cache_control(response, no_cache=True, **whose)
    patch_vary_headers(response, ASKED_BY)


def digest_of_facts(*facts: Any) -> str:
    """Return a short text that differs where any of the facts does."""
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()
