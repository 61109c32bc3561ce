"""Tests: the servers that tests/servers.py starts, and nothing of the operator's.

pytest-xdist's workers share the servers; each has a database, a Valkey database and a
folder of its own.
"""

import os

from crunchsite.settings.base import *
from crunchsite.settings.base import CACHES, DATABASES, ENV, _database
from crunchsite.settings.env import (  # noqa: F401  settings
    BASE_DIR,
    IS_INSTALLED,
    SITE_DIR,
)
from crunchsite.settings.env import OWN_CALLABLES as OWN
from crunchsite.settings.places import embedded_database_url, embedded_redis_url
from crunchsite.settings.server_urls import broker

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")  # noqa: TID251  pytest's own
SERVERS_DIR = BASE_DIR / "var" / "test"
VAR_DIR = SERVERS_DIR / WORKER
LOCAL_MODELS_DIR = VAR_DIR / "models"
MODELS_LOG_DIR = VAR_DIR / "log" / "models"
DATABASE_URL = TAPE_DATABASE_URL = embedded_database_url(SERVERS_DIR, WORKER)
DATABASES = {
    "default": _database("DATABASE_URL", DATABASE_URL),
    "tape": {**DATABASES["tape"], **_database("DATABASE_URL", DATABASE_URL)},
}
OWN_CALLABLES = (*OWN, "tests")
CALLABLE_PACKAGES = ("runtime_definitions", "workspaces")
REDIS_URL = embedded_redis_url(SERVERS_DIR, int(WORKER.removeprefix("gw")))
CACHES = {"default": {**CACHES["default"], "LOCATION": REDIS_URL}}
CELERY_BROKER_URL = broker(REDIS_URL)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ENV = ENV.model_copy(
    update={
        "feed_source": "simulated",
        "clock_speed": 1.0,
        "publish_enabled": True,
        "api_rate_per_address": 0,
        "api_rate_per_key": 0,
    }
)
WHITENOISE_AUTOREFRESH = True  # no collected files, and no warning that there are none
