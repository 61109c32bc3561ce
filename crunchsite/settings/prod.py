"""Production: TLS in front, secrets from the environment, nothing embedded.

Whether a request came over TLS is the scheme that the server was told by the proxy it
trusts (docker-compose.yml); a header from anybody else means nothing.
"""

from crunchsite.settings.base import *
from crunchsite.settings.base import ALLOWED_HOSTS, ENV, VAR_DIR
from crunchsite.settings.env import EnvError

_missing = [
    name.upper()
    for name in ("secret_key", "database_url", "redis_url")
    if not getattr(ENV, name)
]
if _missing:
    raise EnvError(f"{', '.join(_missing)} must be set in production.")

SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS]
STATIC_ROOT = VAR_DIR / "static"
WHITENOISE_USE_FINDERS = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
