"""Count refused logins (with django-axes)."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from core.texts import readable

# The length of a user name.
LONGEST_NAME = 150


def attempted_name(
    request: HttpRequest, credentials: Mapping[str, Any] | None = None
) -> str:
    """Return the user name of a login, as the table of refused logins holds it."""
    name = (credentials or request.POST).get("username") or ""
    return readable(str(name), limit=LONGEST_NAME)
