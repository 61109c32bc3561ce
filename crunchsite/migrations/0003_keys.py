"""Operators see and revoke keys; admins make them too."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

KEYS = {"operator": ["view", "revoke"], "admin": ["view", "revoke", "add"]}


def give(apps, _schema_editor):
    config = apps.get_app_config("keys")
    config.models_module = True  # or Django skips what a migration sees
    create_permissions(config, verbosity=0, apps=apps)
    config.models_module = None
    permissions = apps.get_model("auth", "Permission").objects
    for name, verbs in KEYS.items():
        role, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        codenames = [f"{verb}_apikey" for verb in verbs]
        role.permissions.add(
            *permissions.filter(content_type__app_label="keys", codename__in=codenames)
        )


class Migration(migrations.Migration):
    dependencies = [
        ("crunchsite", "0002_round_permissions"),
        ("keys", "0001_keys"),
    ]
    operations = [migrations.RunPython(give, migrations.RunPython.noop)]
