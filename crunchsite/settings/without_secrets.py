"""No `.env`, no secret, no server: for operators' callables and new workspaces."""

import secrets

from core import workspaces
from crunchsite.settings.env import (  # noqa: F401  settings
    BASE_DIR,
    IS_INSTALLED,
    OWN_CALLABLES,
    SITE_DIR,
    Env,
)

ENV = Env(_env_file=None)
WORKSPACE = ENV.node
VAR_DIR = ENV.var
LOCAL_MODELS_DIR = ENV.models_dir
CALLABLE_PACKAGES = ENV.packages
workspaces.keep_in(ENV.workspaces)
SECRET_KEY = secrets.token_urlsafe(48)
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    *("emissions.apps.EmissionsConfig", "scoring.apps.ScoringConfig"),
    *("competitions.apps.CompetitionsConfig", "feeds.apps.FeedsConfig"),
    "proofs.apps.ProofsConfig",
    *("django.contrib.auth", "django.contrib.contenttypes"),
]
