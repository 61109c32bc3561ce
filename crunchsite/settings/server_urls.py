"""Convert server addresses for Django, SQLAlchemy and kombu."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


def database(url: str, **options: Any) -> dict[str, Any]:
    """Return Django's DATABASES entry for a postgresql:// URL.

    Raises ValueError for another scheme, as PostgreSQL is the only database, and for an
    address that a password has cut.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError(
            f"was {parts.scheme!r}://, crunchsite needs a postgresql:// address"
        )
    query = dict(parse_qsl(parts.query))
    try:
        port = parts.port
    except ValueError:  # its own text has the beginning of a password
        raise ValueError(
            "has no number as its port; in a password write / as %2F, # as %23 and ? "
            "as %3F"
        ) from None
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": str(port or ""),
        "OPTIONS": {**query, **options},
    }


def broker(redis_url: str) -> str:
    """Return kombu's spelling of a Redis address; its unix scheme differs."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database_number = dict(parse_qsl(parts.query)).get("db", "0")
    return f"redis+socket://{parts.path}?virtual_host={database_number}"
