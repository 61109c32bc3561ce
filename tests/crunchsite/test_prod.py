import os

from tests import warm

PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "crunchsite.settings.prod",
    "SECRET_KEY": "k" * 20 + "0123456789" * 4,
    "DATABASE_URL": "postgresql://u:p@127.0.0.1/x",
    "REDIS_URL": "redis://127.0.0.1/0",
    "ALLOWED_HOSTS": "crunch.example",
}


def manage(*args, tmp_path, **env):
    given = {**os.environ, **PRODUCTION, "VAR_DIR": str(tmp_path), **env}
    return warm.manage(*args, env=given)


def test_production_passes_djangos_deployment_checks(tmp_path):
    done = manage("check", "--deploy", "--fail-level", "WARNING", tmp_path=tmp_path)
    assert done.returncode == 0, done.stderr


def test_production_refuses_to_start_without_its_secrets(tmp_path):
    done = manage("check", tmp_path=tmp_path, SECRET_KEY="", REDIS_URL="")
    assert done.returncode == 1
    assert done.stderr == ("Error: SECRET_KEY, REDIS_URL must be set in production.\n")
