"""Settings shared by all environments. Values come from `env.py`, never from here."""

from datetime import timedelta
from typing import Any

from corsheaders.defaults import default_headers
from csp.constants import NONE, SELF

from core import workspaces
from crunchsite.settings import api_texts, unfold
from crunchsite.settings.env import (  # noqa: F401  some are settings
    BASE_DIR,
    IS_INSTALLED,
    OWN_CALLABLES,
    SITE_DIR,
    EnvError,
    read_env,
)
from crunchsite.settings.logging import logging_config
from crunchsite.settings.places import embedded_database_url, embedded_redis_url
from crunchsite.settings.secret import secret_key
from crunchsite.settings.server_urls import broker, database

ENV = read_env()
WORKSPACES_DIR = ENV.workspaces
workspaces.keep_in(WORKSPACES_DIR)
WORKSPACE = ENV.node
if WORKSPACE:
    WORKSPACE.admit()
VAR_DIR = ENV.var
IS_VAR_DIR_NEW = not VAR_DIR.exists()  # before the secret key is kept there
LOCAL_MODELS_DIR = ENV.models_dir
MODELS_LOG_DIR = VAR_DIR / "log" / "models"
CALLABLE_PACKAGES = ENV.packages

DEBUG = False
ALLOWED_HOSTS = [*ENV.hosts]
ROOT_URLCONF = "crunchsite.urls"
WSGI_APPLICATION = "crunchsite.wsgi.application"
ASGI_APPLICATION = "crunchsite.asgi.application"
APPEND_SLASH = False  # the API's paths have none
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
FORMAT_MODULE_PATH = ["crunchsite.formats"]

INSTALLED_APPS = [
    "crunchsite.apps.CrunchsiteConfig",
    "crunchsite.keys.apps.KeysConfig",
    "crunchsite.events.apps.EventsConfig",
    "crunchsite.v1.acts.apps.ActsConfig",
    "emissions.apps.EmissionsConfig",
    "scoring.apps.ScoringConfig",
    "competitions.apps.CompetitionsConfig",
    "livepool.apps.LivepoolConfig",
    "feeds.apps.FeedsConfig",
    "proofs.apps.ProofsConfig",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "corsheaders",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
]

MIDDLEWARE = [
    "crunchsite.edge.head_as_get",
    "crunchsite.correlation.correlate",
    "crunchsite.edge.json_for_programs",
    "crunchsite.compression.Compression",  # of what is whole, validators too
    "corsheaders.middleware.CorsMiddleware",  # a preflight has neither key nor session
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "crunchsite.headers.headers",
    "crunchsite.edge.refuse_malformed",
    "django.middleware.http.ConditionalGetMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "crunchsite.keys.middleware.KeysMiddleware",
    "crunchsite.readers.ReadersMiddleware",
    "crunchsite.not_done.NotDone",  # of what no middleware below has answered
    "crunchsite.custom.CustomMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# No script, style or asset but the site's own, and nothing inline.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"

# --- Other sites' pages in a browser; they send keys, never this site's sessions
CORS_ALLOW_ALL_ORIGINS = "*" in ENV.cors_origins
CORS_ALLOWED_ORIGINS = [each for each in ENV.cors_origins if each != "*"]
CORS_ALLOW_CREDENTIALS = False
CORS_URLS_REGEX = r"^/(?!admin(/|$))"
CORS_ALLOW_HEADERS = [
    *default_headers,
    *("idempotency-key", "if-none-match", "x-api-key", "x-request-id"),
]
CORS_EXPOSE_HEADERS = [
    *("ETag", "Link", "Location", "Retry-After", "X-Request-ID"),
    *("RateLimit", "RateLimit-Policy"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
]

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "crunchsite" / "static"]
WHITENOISE_USE_FINDERS = True

# --- Databases: the domain's, and the tape's read-only view
DATABASE_URL = ENV.database_url or embedded_database_url(VAR_DIR)
TAPE_DATABASE_URL = ENV.tape_database_url or DATABASE_URL
# A statement may not outlive a task: threads have no time limits.
# PostgreSQL compiles what it thinks will be long: reads that look into many partitions
# and touch two would take ten times as long.
# psycopg2 drops a Ctrl-C that comes while it takes a notice, as that a table exists.
# A machine that is gone loses its locks within half a minute.
_SESSION = (
    "-c statement_timeout=120s -c lock_timeout=30s -c TimeZone=UTC -c jit=off "
    "-c client_min_messages=warning "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
)
# One whose server is gone waits as long; libpq alone would let threads wait for hours.
_CLIENT = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}


def _database(name: str, url: str) -> dict[str, Any]:
    try:
        entry = database(url, options=_SESSION, application_name="crunchsite")
    except ValueError as error:
        raise EnvError(f"{name} {error}.") from None
    entry["OPTIONS"] = {**_CLIENT, **entry["OPTIONS"]}
    return {**entry, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}


DATABASES = {
    "default": _database("DATABASE_URL", DATABASE_URL),
    "tape": {
        **_database("TAPE_DATABASE_URL", TAPE_DATABASE_URL),
        "TEST": {"MIRROR": "default"},
    },
}
DATABASE_ROUTERS = ["feeds.routers.TapeRouter"]

# --- Redis: broker and cache, apart by database number and key prefix
REDIS_URL = ENV.redis_url or embedded_redis_url(VAR_DIR)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "crunchsite-cache",
        # One that hangs may not hold up whoever asks it.
        "OPTIONS": {
            "serializer": "core.json_cache.JsonSerializer",
            "socket_timeout": 5,
            "socket_connect_timeout": 5,
        },
    }
}

SECRET_KEY = secret_key(ENV)  # not before what is refused: it makes a folder

# --- Celery (reasons: docs/operator/celery.md; inequalities asserted by checks.py)
VISIBILITY_TIMEOUT_S = 900
CELERY_BROKER_URL = broker(REDIS_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": VISIBILITY_TIMEOUT_S,
    "global_keyprefix": "crunchsite:",
    # A broker that is gone without a word would hold up for ever whoever publishes.
    "socket_timeout": 15,
    "socket_connect_timeout": 15,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_POOL = "threads"  # one gateway per competition, no fork near gRPC
CELERY_WORKER_CONCURRENCY = 8
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False  # threads cannot
CELERY_TASK_ACKS_LATE = True  # every task may run twice
CELERY_TASK_RETRY_ON_WORKER_LOST = True  # bounded, unlike reject_on_worker_lost
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = False  # a typo fails when it is published
CELERY_TIMEZONE = "UTC"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "crunchsite.keys.authentication.KeyAuthentication",
        "core.permissions.OperatorSession",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["core.permissions.OpenReadPermittedWrite"],
    "DEFAULT_RENDERER_CLASSES": ["core.rendering.FastJson"],
    "DEFAULT_PARSER_CLASSES": ["core.requests.JsonBody"],
    "URL_FORMAT_OVERRIDE": None,  # there is one format
    "DEFAULT_SCHEMA_CLASS": "crunchsite.openapi.Operation",
    "DEFAULT_METADATA_CLASS": "crunchsite.api.NoMetadata",
    "EXCEPTION_HANDLER": "crunchsite.api.refuse",
    "STRICT_JSON": True,  # NaN and infinities are refused at the edge
}
SPECTACULAR_SETTINGS = {
    "TITLE": "crunchsite API",
    "DESCRIPTION": api_texts.INTRODUCTION,
    "TAGS": api_texts.TAGS,
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "DEFAULT_GENERATOR_CLASS": "crunchsite.openapi.Generator",
    "PREPROCESSING_HOOKS": ["crunchsite.api.without_aliases"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "crunchsite.api.with_refusals",
        "crunchsite.openapi.with_links",
    ],
    "ENUM_NAME_OVERRIDES": {
        "EventType": "core.facts.FactKind",
        "CompetitionStatus": "competitions.models.Competition.Status",
        "CheckpointStatus": "emissions.transitions.Status",
        "ReleaseStatus": "livepool.models.Release.Status",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# Five wrong passwords lock an account for one address, not for its owner elsewhere.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_CALLABLE = "crunchsite.logins.attempted_name"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
AXES_LOCKOUT_TEMPLATE = "operator/locked_out.html"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

UNFOLD = unfold.UNFOLD
LOGGING = logging_config(ENV.log_level)
